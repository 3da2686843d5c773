"""Use cases of a stay's charges: orders on the ward, each day once, the one bill of a stay."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

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
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import (
    Batch,
    BatchState,
    ChargeItem,
    OrderLine,
    PriceList,
    check_lines,
    check_same_order,
    line_amount,
)
from shualian.hospital.scheduling.model import Doctor
from shualian.hospital.wards.charges import store
from shualian.hospital.wards.charges.model import charged_at, days_due, placement_on
from shualian.hospital.wards.charges.ports import PricesOn
from shualian.hospital.wards.stays import store as stays
from shualian.hospital.wards.stays.model import STAY_NOT_FOUND, Stay, StayState

_ONE = Decimal(1)


class WardCharges:
    """What the in-patients of one hospital are charged."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        prices: PricesOn,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._prices = prices

    def order(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        lines: Sequence[OrderLine],
        doctor: Doctor | None = None,
    ) -> Sequence[ChargeItem]:
        """Order something on the ward at today's prices, once for a command.

        Args:
            command_id: Made by the caller.
            encounter_no: Of the stay, or of the visit of a dialysis patient.
            lines: What.
            doctor: Who orders; the doctor in charge when not given.

        Raises:
            Refused: ``hospital.order_invalid``, ``item_not_priced``, ``encounter_not_found``,
                ``encounter_not_open``, ``command_differs``.
        """
        prices = self._prices(business_date(self._clock.now()))
        return self._database.write(
            lambda connection: self.order_within(
                connection,
                command_id=command_id,
                encounter_no=encounter_no,
                lines=lines,
                doctor=doctor,
                prices=prices,
            )
        )

    def order_within(
        self,
        connection: Connection,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        lines: Sequence[OrderLine],
        doctor: Doctor | None,
        prices: PriceList,
        at: datetime | None = None,
    ) -> Sequence[ChargeItem]:
        """:meth:`order` as part of another use case's transaction, at a moment of its own.

        Raises:
            Refused: As :meth:`order`.
        """
        check_lines(lines)
        earlier = orders.items_of_command(connection, self._institution, command_id)
        if earlier:
            check_same_order(earlier, encounter_no=encounter_no, lines=lines)
            return earlier
        encounter = self._encounter(connection, encounter_no)
        check_open(encounter)
        batch = self._open_batch(connection, encounter_no)
        moment = at or self._clock.now()
        new = [
            _item(encounter, batch, command_id, place, line, prices, doctor, moment)
            for place, line in enumerate(lines)
        ]
        orders.add_items(connection, new)
        return new

    def charge_days(self) -> Mapping[EncounterNo, Sequence[date]]:
        """Charge every in-patient the days that are over and not charged; which of whom.

        For a run once a day or more often; days that were missed are made up for.
        """
        admitted = self._database.read(
            lambda connection: stays.in_states(connection, self._institution, {StayState.ADMITTED})
        )
        charged: dict[EncounterNo, Sequence[date]] = {}
        for stored in admitted:
            days = self.charge_stay(stored.stay.stay_no)
            if days:
                charged[stored.stay.stay_no] = days
        return charged

    def charge_stay(self, stay_no: EncounterNo) -> Sequence[date]:
        """Charge one in-patient the days that are over and not charged; which.

        Raises:
            Refused: ``hospital.stay_not_found``, ``item_not_priced``.
        """
        prices = self._prices(business_date(self._clock.now()))

        def work(connection: Connection) -> Sequence[date]:
            stored = stays.by_number(connection, self._institution, stay_no)
            if stored is None:
                raise Refused(STAY_NOT_FOUND)
            if stored.stay.state is not StayState.ADMITTED:
                return []
            return self.charge_within(connection, stored.stay, prices=prices)

        return self._database.write(work)

    def prices_today(self) -> PriceList:
        """The price list of the business day.

        Raises:
            Refused: When there is none.
        """
        return self._prices(business_date(self._clock.now()))

    def charge_within(
        self,
        connection: Connection,
        stay: Stay,
        *,
        prices: PriceList,
        discharged_at: datetime | None = None,
    ) -> Sequence[date]:
        """Charge a stay the days that are due, in a transaction of another use case; which.

        Raises:
            Refused: ``hospital.item_not_priced``.
        """
        now = self._clock.now()
        due = days_due(
            admitted_at=stay.admitted_at,
            discharged_at=discharged_at,
            now=now,
            charged=store.days_of(connection, self._institution, stay.stay_no),
        )
        lay = stays.placements_of(connection, self._institution, stay.stay_no)
        for day in due:
            placement = placement_on(lay, day)
            command_id = CommandId(new_identifier())
            store.add_day(connection, self._institution, stay.stay_no, day, command_id)
            self.order_within(
                connection,
                command_id=command_id,
                encounter_no=stay.stay_no,
                lines=[
                    OrderLine(placement.bed_item, _ONE),
                    OrderLine(placement.nursing_item, _ONE),
                ],
                doctor=stay.doctor,
                prices=prices,
                at=charged_at(day, admitted_at=stay.admitted_at, now=now),
            )
        return due

    def gather(self, encounter_no: EncounterNo) -> None:
        """Put all that is open of a stay into one batch, because the insurer settles it as one.

        What is held by a bill that was shown stays where it is.
        """

        def work(connection: Connection) -> None:
            known = orders.batches_of(connection, self._institution, encounter_no)
            into, *others = [
                batch.chrg_bchno for batch in known if batch.state is BatchState.OPEN
            ] or [""]
            moving = [
                item.feedetl_sn
                for item in orders.items_of(connection, self._institution, encounter_no)
                if item.chrg_bchno in others
            ]
            if moving:
                store.gather(connection, self._institution, moving, into)

        self._database.write(work)

    def charged(self, stay_no: EncounterNo) -> Sequence[date]:
        """The days of a stay that are charged."""
        return self._database.read(
            lambda connection: store.days_of(connection, self._institution, stay_no)
        )

    def open_items(self, encounter_no: EncounterNo) -> Sequence[ChargeItem]:
        """What of an encounter is not settled, the oldest first."""
        return self._database.read(lambda connection: self.open_within(connection, encounter_no))

    def open_within(
        self, connection: Connection, encounter_no: EncounterNo
    ) -> Sequence[ChargeItem]:
        """:meth:`open_items` as part of another use case's transaction."""
        settled = store.settled_batches(connection, self._institution, encounter_no)
        known = orders.items_of(connection, self._institution, encounter_no)
        return [item for item in known if item.chrg_bchno not in settled]

    def _encounter(self, connection: Connection, encounter_no: EncounterNo) -> Encounter:
        stored = encounters.by_number(connection, self._institution, encounter_no)
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return stored.encounter

    def _open_batch(self, connection: Connection, encounter_no: EncounterNo) -> Batch:
        known = orders.batches_of(connection, self._institution, encounter_no)
        for batch in known:
            if batch.state is BatchState.OPEN:
                return batch
        batch = Batch(new_identifier(), self._institution, encounter_no)
        orders.add_batch(connection, batch)
        return batch


def _item(
    encounter: Encounter,
    batch: Batch,
    command_id: CommandId,
    line_no: int,
    line: OrderLine,
    prices: PriceList,
    doctor: Doctor | None,
    at: datetime,
) -> ChargeItem:
    priced = prices.priced(line.medins_list_codg)
    ordering = doctor or encounter.doctor
    return ChargeItem(
        feedetl_sn=ChargeItemNo(new_identifier()),
        institution=encounter.institution,
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
        fee_ocur_time=at,
        bilg_dept_codg=encounter.department.dept_code,
        bilg_dept_name=encounter.department.dept_name,
        bilg_dr_codg=ordering.dr_code,
        bilg_dr_name=ordering.dr_name,
    )
