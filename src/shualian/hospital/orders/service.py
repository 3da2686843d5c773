"""Use cases of orders and charge items.

**How an upload survives a crash.** A line is stored before it is uploaded (2204) and keeps its
number (``feedetl_sn``); the insurer answers a line that it knows as the first time. So an upload
whose answer was lost is simply made again.

**How a withdrawal does.** 2205 forgets a whole batch, and a copy of it may arrive late. So the
lines that stay move to a new batch in the transaction that takes the others off the bill, and the
old batch is *recalled*: whoever uploads next makes the insurer forget it before anything else, and
a late copy finds nothing that anybody needs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter, check_open
from shualian.hospital.model import ChargeRecall, ChargeUpload, is_final
from shualian.hospital.orders import store
from shualian.hospital.orders.model import (
    CHARGE_NOT_OPEN,
    Batch,
    BatchState,
    ChargeItem,
    OrderLine,
    PriceList,
    check_lines,
    check_same_order,
    line_amount,
    with_splits,
)
from shualian.hospital.orders.ports import Prices
from shualian.hospital.ports import InsurerPlatform, ask_insurer
from shualian.hospital.scheduling.model import Doctor


@dataclass(frozen=True, slots=True)
class Ordering:
    """What is ordered, once everything outside of the transaction is known.

    Attributes:
        command_id: Whose lines they are; the same on a repeat.
        encounter_no: In which visit.
        lines: What.
        prices: Of the day.
        doctor: Who orders; none for the doctor of the visit.
    """

    command_id: CommandId
    encounter_no: EncounterNo
    lines: Sequence[OrderLine]
    prices: PriceList
    doctor: Doctor | None = None


class Orders:
    """What is ordered for the patients of one hospital, and what it costs."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        insurer: InsurerPlatform,
        prices: Prices,
    ) -> None:
        """Describe it; ``prices`` are asked for the day of each order."""
        self._institution = institution
        self._database = database
        self._clock = clock
        self._insurer = insurer
        self._prices = prices

    def order(
        self, *, command_id: CommandId, encounter_no: EncounterNo, lines: Sequence[OrderLine]
    ) -> Sequence[ChargeItem]:
        """Order something in an encounter: charge items at today's prices, once for a command.

        They join the encounter's open batch; a batch whose bill was shown to the person takes no
        more, and a new one is begun.

        Raises:
            Refused: ``hospital.order_invalid``, ``item_not_priced``, ``encounter_not_found``,
                ``encounter_not_open``, ``command_differs``.
        """
        ordering = Ordering(command_id, encounter_no, lines, self.prices_today())
        return self._database.write(lambda connection: self.order_within(connection, ordering))

    def prices_today(self) -> PriceList:
        """The price list of the business day.

        Raises:
            Refused: ``hospital.no_price_list``.
        """
        return self._prices.on(business_date(self._clock.now()))

    def order_within(self, connection: Connection, ordering: Ordering) -> Sequence[ChargeItem]:
        """:meth:`order` as a part of another use case's transaction.

        Raises:
            Refused: As :meth:`order`.
        """
        check_lines(ordering.lines)
        number, command_id = ordering.encounter_no, ordering.command_id
        earlier = store.items_of_command(connection, self._institution, command_id)
        if earlier:
            check_same_order(earlier, encounter_no=number, lines=ordering.lines)
            return earlier
        encounter = self._encounter(connection, number)
        check_open(encounter)
        batch = self._open_batch(connection, number)
        new = [
            self._item(encounter, batch, ordering, place, line)
            for place, line in enumerate(ordering.lines)
        ]
        store.add_items(connection, new)
        return new

    def withdraw_within(
        self, connection: Connection, items: Collection[ChargeItem], *, at: datetime
    ) -> None:
        """Take unpaid lines of one encounter off the bill; :meth:`upload` tells the insurer.

        No payment may hold them: withdraw what was prepared before.

        Raises:
            Refused: ``hospital.charge_not_open``.
        """
        numbers = {item.feedetl_sn for item in items}
        for chrg_bchno in sorted({item.chrg_bchno for item in items}):
            self._recall(connection, chrg_bchno, items, numbers)
        store.withdraw_items(connection, self._institution, numbers, at=at)

    def _recall(
        self,
        connection: Connection,
        chrg_bchno: str,
        items: Collection[ChargeItem],
        numbers: Collection[ChargeItemNo],
    ) -> None:
        encounter_no = next(iter(items)).encounter_no
        known = store.batches_of(connection, self._institution, encounter_no)
        states = {batch.chrg_bchno: batch.state for batch in known}
        if states.get(chrg_bchno) is not BatchState.OPEN:
            raise Refused(CHARGE_NOT_OPEN, chrg_bchno=chrg_bchno)
        store.end_batch(connection, self._institution, chrg_bchno, BatchState.RECALLED)
        of_batch = store.items_of_batch(connection, self._institution, chrg_bchno)
        staying = [item.feedetl_sn for item in of_batch if item.feedetl_sn not in numbers]
        if staying:
            batch = self._open_batch(connection, encounter_no)
            store.move_items(connection, self._institution, staying, batch.chrg_bchno)

    def upload(self, *, encounter_no: EncounterNo) -> Sequence[ChargeItem]:
        """Upload what is not uploaded yet (2204); gives all lines with their splits.

        Batches that were recalled are withdrawn at the insurer first (2205).

        Raises:
            Refused: ``hospital.encounter_not_found``, ``encounter_not_open``,
                ``answer_invalid``, ``insurer_unreachable``; what the insurer refuses. Lines of
                the batches before it are uploaded then.
        """
        encounter, lines, batches = self._database.read(
            lambda connection: (
                self._encounter(connection, encounter_no),
                store.items_of(connection, self._institution, encounter_no),
                store.batches_of(connection, self._institution, encounter_no),
            )
        )
        self._withdraw_batches(encounter, [b for b in batches if b.state is BatchState.RECALLED])
        new = sorted((item for item in lines if item.split is None), key=_batch_of)
        for chrg_bchno, of_batch in groupby(new, key=_batch_of):
            self._upload_batch(encounter, chrg_bchno, list(of_batch))
        return self.items(encounter_no=encounter_no)

    def items(self, *, encounter_no: EncounterNo) -> Sequence[ChargeItem]:
        """The lines of an encounter that stand, the oldest first."""
        return self._database.read(
            lambda connection: store.items_of(connection, self._institution, encounter_no)
        )

    def _withdraw_batches(self, encounter: Encounter, batches: Sequence[Batch]) -> None:
        for batch in batches:
            recall = ChargeRecall(
                fixmedins_code=self._institution,
                psn_no=encounter.psn_no,
                mdtrt_id=encounter.visit_id,
                chrg_bchno=batch.chrg_bchno,
            )
            ask_insurer(self._insurer.withdraw_charge_items, recall)
            number = batch.chrg_bchno
            self._database.write(
                lambda connection, number=number: store.end_batch(  # type: ignore[misc]
                    connection, self._institution, number, BatchState.WITHDRAWN
                )
            )

    def _upload_batch(
        self,
        encounter: Encounter,
        chrg_bchno: str,
        lines: Sequence[ChargeItem],
    ) -> None:
        upload = ChargeUpload(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            mdtrt_id=encounter.visit_id,
            chrg_bchno=chrg_bchno,
            feedetail=tuple(item.detail for item in lines),
        )
        try:
            answer = ask_insurer(self._insurer.upload_charge_items, upload)
        except Refused as refused:
            gone = self._gone(encounter)
            if not gone or not is_final(refused):
                raise
            # An upload that was under way for long may have put lines back into an old batch,
            # where the insurer does not remember what was withdrawn.
            self._withdraw_batches(encounter, gone)
            if chrg_bchno in {batch.chrg_bchno for batch in gone}:
                # Recalled while it was under way: what stays on the bill is in a new batch.
                self.upload(encounter_no=encounter.encounter_no)
                return
            answer = ask_insurer(self._insurer.upload_charge_items, upload)
        classed = with_splits(lines, answer)
        self._database.write(lambda connection: self._add_splits(connection, classed))

    def _gone(self, encounter: Encounter) -> Sequence[Batch]:
        batches = self._database.read(
            lambda connection: store.batches_of(
                connection, self._institution, encounter.encounter_no
            )
        )
        return [b for b in batches if b.state in {BatchState.RECALLED, BatchState.WITHDRAWN}]

    def _add_splits(self, connection: Connection, classed: Sequence[ChargeItem]) -> None:
        # A line that was withdrawn or moved meanwhile is not what the insurer has just classed.
        standing = store.items_of(connection, self._institution, classed[0].encounter_no)
        places = {item.feedetl_sn: item.chrg_bchno for item in standing}
        still = [item for item in classed if places.get(item.feedetl_sn) == item.chrg_bchno]
        if still:
            store.add_splits(connection, still)

    def _encounter(self, connection: Connection, encounter_no: EncounterNo) -> Encounter:
        stored = encounters.by_number(connection, self._institution, encounter_no)
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return stored.encounter

    def _open_batch(self, connection: Connection, encounter_no: EncounterNo) -> Batch:
        known = store.batches_of(connection, self._institution, encounter_no)
        for batch in reversed(known):
            if batch.state is BatchState.OPEN:
                return batch
        batch = Batch(new_identifier(), self._institution, encounter_no)
        store.add_batch(connection, batch)
        return batch

    def _item(
        self,
        encounter: Encounter,
        batch: Batch,
        ordering: Ordering,
        line_no: int,
        line: OrderLine,
    ) -> ChargeItem:
        priced = ordering.prices.priced(line.medins_list_codg)
        doctor = ordering.doctor or encounter.doctor
        return ChargeItem(
            feedetl_sn=ChargeItemNo(new_identifier()),
            institution=self._institution,
            encounter_no=encounter.encounter_no,
            chrg_bchno=batch.chrg_bchno,
            command_id=ordering.command_id,
            line_no=line_no,
            medins_list_codg=priced.medins_list_codg,
            med_list_codg=priced.med_list_codg,
            name_zh=priced.name_zh,
            name_en=priced.name_en,
            pric=priced.pric_yuan,
            cnt=line.cnt,
            det_item_fee_sumamt=line_amount(priced.pric_yuan, line.cnt),
            fee_ocur_time=self._clock.now(),
            bilg_dept_codg=encounter.department.dept_code,
            bilg_dept_name=encounter.department.dept_name,
            bilg_dr_codg=doctor.dr_code,
            bilg_dr_name=doctor.dr_name,
        )


def _batch_of(item: ChargeItem) -> str:
    return item.chrg_bchno
