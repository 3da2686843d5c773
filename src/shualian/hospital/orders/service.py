"""Use cases of orders and charge items.

**How an upload survives a crash.** A line is stored before it is uploaded (2204) and keeps its
number (``feedetl_sn``); the insurer answers a line that it knows as the first time. So an upload
whose answer was lost is simply made again.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from shualian.core.clock import Clock
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
from shualian.hospital.model import ChargeUpload
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
from shualian.hospital.ports import InsurerPlatform, ask_insurer


class Orders:
    """What is ordered for the patients of one hospital, and what it costs."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        insurer: InsurerPlatform,
        prices: PriceList,
    ) -> None:
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
        check_lines(lines)
        numbers = [ChargeItemNo(new_identifier()) for _ in lines]
        batch_no = new_identifier()

        def work(connection: Connection) -> Sequence[ChargeItem]:
            earlier = store.items_of_command(connection, self._institution, command_id)
            if earlier:
                check_same_order(earlier, encounter_no=encounter_no, lines=lines)
                return earlier
            encounter = self._encounter(connection, encounter_no)
            check_open(encounter)
            batch = self._open_batch(connection, encounter_no, batch_no)
            new = [
                self._item(encounter, batch, command_id, place, line, numbers[place])
                for place, line in enumerate(lines)
            ]
            store.add_items(connection, new)
            return new

        return self._database.write(work)

    def withdraw_within(
        self, connection: Connection, items: Collection[ChargeItem], *, at: datetime
    ) -> None:
        """Take unpaid lines of one encounter off the bill that the insurer has not heard of.

        Raises:
            Refused: ``hospital.charge_not_open``.
        """
        for item in items:
            known = store.batches_of(connection, self._institution, item.encounter_no)
            states = {batch.chrg_bchno: batch.state for batch in known}
            if item.split is not None or states[item.chrg_bchno] is not BatchState.OPEN:
                raise Refused(CHARGE_NOT_OPEN, chrg_bchno=item.chrg_bchno, at=at.isoformat())
        store.remove_items(connection, [item.feedetl_sn for item in items])

    def upload(self, *, encounter_no: EncounterNo) -> Sequence[ChargeItem]:
        """Upload what is not uploaded yet (2204); gives all lines with their splits.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``encounter_not_open``,
                ``answer_invalid``, ``insurer_unreachable``; what the insurer refuses. Lines of
                the batches before it are uploaded then.
        """
        encounter, lines = self._database.read(
            lambda connection: (
                self._encounter(connection, encounter_no),
                store.items_of(connection, self._institution, encounter_no),
            )
        )
        new = sorted((item for item in lines if item.split is None), key=_batch_of)
        for chrg_bchno, of_batch in groupby(new, key=_batch_of):
            self._upload_batch(encounter, chrg_bchno, list(of_batch))
        return self.items(encounter_no=encounter_no)

    def items(self, *, encounter_no: EncounterNo) -> Sequence[ChargeItem]:
        """All lines of an encounter, the oldest first."""
        return self._database.read(
            lambda connection: store.items_of(connection, self._institution, encounter_no)
        )

    def _upload_batch(
        self, encounter: Encounter, chrg_bchno: str, lines: Sequence[ChargeItem]
    ) -> None:
        upload = ChargeUpload(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            mdtrt_id=encounter.visit_id,
            chrg_bchno=chrg_bchno,
            feedetail=tuple(item.detail for item in lines),
        )
        classed = with_splits(lines, ask_insurer(self._insurer.upload_charge_items, upload))
        self._database.write(lambda connection: store.add_splits(connection, classed))

    def _encounter(self, connection: Connection, encounter_no: EncounterNo) -> Encounter:
        stored = encounters.by_number(connection, self._institution, encounter_no)
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return stored.encounter

    def _open_batch(
        self, connection: Connection, encounter_no: EncounterNo, new_number: str
    ) -> Batch:
        known = store.batches_of(connection, self._institution, encounter_no)
        for batch in reversed(known):
            if batch.state is BatchState.OPEN:
                return batch
        batch = Batch(new_number, self._institution, encounter_no)
        store.add_batch(connection, batch)
        return batch

    def _item(
        self,
        encounter: Encounter,
        batch: Batch,
        command_id: CommandId,
        line_no: int,
        line: OrderLine,
        number: ChargeItemNo,
    ) -> ChargeItem:
        priced = self._prices.priced(line.medins_list_codg)
        return ChargeItem(
            feedetl_sn=number,
            institution=self._institution,
            encounter_no=encounter.encounter_no,
            chrg_bchno=batch.chrg_bchno,
            command_id=command_id,
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
            bilg_dr_codg=encounter.doctor.dr_code,
            bilg_dr_name=encounter.doctor.dr_name,
        )


def _batch_of(item: ChargeItem) -> str:
    return item.chrg_bchno
