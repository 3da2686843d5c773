"""Use cases of expectations: told by a hospital, asked by verification."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.core.refusals import Refused
from shualian.terminals.model import TERMINAL_NOT_FOUND
from shualian.trust.audit.service import record
from shualian.verification.expectations import store
from shualian.verification.expectations.model import (
    CALL_MINUTES,
    Call,
    ExpectedFor,
    PatientCalled,
    check_day,
    new_call,
)
from shualian.verification.expectations.ports import TemplateConsents


class ExpectedPeople:
    """Implements the port ``Expectations`` of verification.

    ``institution`` is always the hospital that speaks, known from its own sign-in or certificate,
    never from what it sends.
    """

    def __init__(self, *, database: Database, clock: Clock, consents: TemplateConsents) -> None:
        self._database = database
        self._clock = clock
        self._consents = consents

    def expect(
        self, institution: InstitutionCode, psn_no: PersonNo, *, day: date, why: ExpectedFor
    ) -> None:
        """Expect somebody on a day; the same again changes nothing.

        Raises:
            Refused: ``verification.expected_day_invalid``.
        """
        check_day(day, now=self._clock.now())
        self._database.write(
            lambda connection: store.put_expected(connection, institution, psn_no, day=day, why=why)
        )

    def forget(
        self, institution: InstitutionCode, psn_no: PersonNo, *, day: date, why: ExpectedFor
    ) -> None:
        """Expect somebody for this no more: cancelled, done, gone."""
        self._database.write(
            lambda connection: store.remove_expected(
                connection, institution, psn_no, day=day, why=why
            )
        )

    def expected(self, institution: InstitutionCode, *, now: datetime) -> Collection[PersonNo]:
        """Who is expected there on the business day of ``now`` and agreed to a kept template.

        Others cannot be searched, so they do not even count against the limit of a search.
        """
        day = business_date(now)
        people = self._database.read(
            lambda connection: store.expected_at(connection, institution, day)
        )
        return frozenset(people) & frozenset(self._consents.with_template(people))

    def call(
        self,
        terminal_id: TerminalId,
        institution: InstitutionCode,
        psn_no: PersonNo,
        *,
        valid_minutes: int = CALL_MINUTES,
    ) -> Call:
        """Arm a terminal of the institution for the patient whom its doctor called.

        Args:
            terminal_id: In the consulting room.
            institution: Of the doctor.
            psn_no: Who was called.
            valid_minutes: 1..30.

        Raises:
            Refused: ``terminals.terminal_not_found`` for a terminal that is not active or belongs
                to another institution, ``verification.call_time_invalid``.
        """

        def work(connection: Connection) -> Call:
            # A hospital may arm its own terminals only, and learns nothing of others.
            if store.institution_of(connection, terminal_id) != institution:
                raise Refused(TERMINAL_NOT_FOUND)
            now = self._clock.now()
            call = new_call(terminal_id, institution, psn_no, minutes=valid_minutes, now=now)
            store.put_call(connection, call)
            event = PatientCalled(
                terminal_id=terminal_id, institution=institution, subject=psn_no, until=call.until
            )
            record(connection, event, at=now)
            return call

        return self._database.write(work)

    def called(self, terminal_id: TerminalId, *, now: datetime) -> PersonNo | None:
        """The patient for whom the terminal is armed at ``now``."""
        call = self._database.read(lambda connection: store.call_at(connection, terminal_id))
        return call.subject if call is not None and call.holds(now) else None

    def entries_of(self, psn_no: PersonNo) -> int:
        """How many entries of a person there are: days expected and calls."""
        return self._database.read(lambda connection: store.count_of(connection, psn_no))

    def forget_person(self, psn_no: PersonNo) -> int:
        """Forget a person everywhere, whatever they were expected for; how many entries."""
        return self._database.write(lambda connection: store.remove_person(connection, psn_no))

    def end_call(self, terminal_id: TerminalId, institution: InstitutionCode) -> None:
        """Disarm a terminal; of another institution nothing happens."""
        self._database.write(
            lambda connection: store.remove_call(connection, terminal_id, institution)
        )

    def purge(self) -> int:
        """Forget the days that are over and the calls that ended; run it every hour or so."""
        now = self._clock.now()
        today = business_date(now)
        return self._database.write(
            lambda connection: store.remove_old(connection, today=today, now=now)
        )
