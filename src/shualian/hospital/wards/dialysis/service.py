"""Use cases of dialysis: the standing order, sessions, and who has not settled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    RecordNo,
    StaffId,
    new_identifier,
)
from shualian.core.money import total
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND
from shualian.hospital.orders.model import OrderLine, PriceList, check_lines
from shualian.hospital.scheduling.model import Doctor
from shualian.hospital.wards.charges.service import WardCharges
from shualian.hospital.wards.dialysis import store
from shualian.hospital.wards.dialysis.model import (
    DIALYSIS_NOT_FOUND,
    DIALYSIS_TODAY,
    NO_STANDING_ORDER,
    DialysisNo,
    DialysisSession,
    StandingOrder,
    Unsettled,
    check_same_session,
)


class Dialysis:
    """Dialysis of one hospital, of in-patients and of those who come for it."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        charges: WardCharges,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._charges = charges

    def order(
        self, *, record_no: RecordNo, lines: Sequence[OrderLine], doctor: Doctor
    ) -> StandingOrder:
        """Write a patient's standing order; it takes the place of the one before.

        Raises:
            Refused: ``hospital.order_invalid``, ``item_not_priced``.
        """
        check_lines(lines)
        prices = self._charges.prices_today()
        for line in lines:
            prices.priced(line.medins_list_codg)
        order = StandingOrder(record_no, tuple(lines), doctor, self._clock.now())
        self._database.write(
            lambda connection: store.put_standing_order(connection, self._institution, order)
        )
        return order

    def begin(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        nurse: StaffId,
        doctor: Doctor | None = None,
    ) -> DialysisSession:
        """Begin a session and charge what stands, once for a command and once a day.

        Args:
            command_id: Made by the caller.
            encounter_no: The visit or stay that is charged.
            nurse: Who begins it.
            doctor: On duty, who answers for today's session; who wrote the standing order when
                not given. The insurer takes the charges only if this doctor is signed in.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``encounter_not_open``,
                ``no_standing_order``, ``dialysis_today``, ``item_not_priced``,
                ``command_differs``.
        """
        prices = self._charges.prices_today()

        def work(connection: Connection) -> DialysisSession:
            earlier = store.by_command(connection, self._institution, command_id)
            if earlier is not None:
                check_same_session(earlier, encounter_no=encounter_no)
                return earlier
            return self._begin(connection, command_id, encounter_no, nurse, doctor, prices)

        return self._database.write(work)

    def end(self, *, session_no: DialysisNo) -> DialysisSession:
        """End a session; again changes nothing.

        Raises:
            Refused: ``hospital.dialysis_not_found``.
        """
        now = self._clock.now()

        def work(connection: Connection) -> DialysisSession:
            found = store.find(connection, self._institution, session_no)
            if found is None:
                raise Refused(DIALYSIS_NOT_FOUND)
            store.put_end(connection, self._institution, session_no, at=now)
            return found if found.ended_at is not None else replace(found, ended_at=now)

        return self._database.write(work)

    def sessions(self, *, since: date) -> Sequence[DialysisSession]:
        """The sessions of a day and later, the earliest first."""
        return self._database.read(
            lambda connection: store.since(connection, self._institution, since)
        )

    def unsettled(self, *, since: date) -> Sequence[Unsettled]:
        """Whose sessions of a day and later are not settled, and how much of each is open."""

        def work(connection: Connection) -> list[Unsettled]:
            found = store.since(connection, self._institution, since)
            listed = [self._unsettled(connection, session) for session in found]
            return [each for each in listed if each.open_fen]

        return self._database.read(work)

    def _begin(
        self,
        connection: Connection,
        command_id: CommandId,
        encounter_no: EncounterNo,
        nurse: StaffId,
        doctor: Doctor | None,
        prices: PriceList,
    ) -> DialysisSession:
        now = self._clock.now()
        found = encounters.by_number(connection, self._institution, encounter_no)
        if found is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        record_no, today = found.encounter.record_no, business_date(now)
        stands = store.standing_order_of(connection, self._institution, record_no)
        if stands is None:
            raise Refused(NO_STANDING_ORDER)
        if store.of_day(connection, self._institution, record_no, today) is not None:
            raise Refused(DIALYSIS_TODAY)
        session = DialysisSession(
            session_no=DialysisNo(new_identifier()),
            command_id=command_id,
            record_no=record_no,
            encounter_no=encounter_no,
            day=today,
            nurse=nurse,
            started_at=now,
        )
        store.add(connection, self._institution, session)
        self._charges.order_within(
            connection,
            command_id=command_id,
            encounter_no=encounter_no,
            lines=stands.lines,
            doctor=doctor or stands.doctor,
            prices=prices,
        )
        return session

    def _unsettled(self, connection: Connection, session: DialysisSession) -> Unsettled:
        lines = self._charges.open_within(connection, session.encounter_no)
        of_session = [item for item in lines if item.command_id == session.command_id]
        return Unsettled(session, total([item.det_item_fee_sumamt for item in of_session]))
