"""Use cases of health: take a heartbeat, count captures, judge terminals, clear a tamper flag."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import StaffId, TerminalId
from shualian.core.refusals import Refused
from shualian.terminals.enrolment import store as enrolment_store
from shualian.terminals.heartbeat import store
from shualian.terminals.heartbeat.model import (
    BEFORE,
    RECENT,
    Beat,
    CaptureOutcome,
    Health,
    HealthFacts,
    HealthThresholds,
    HeartbeatReport,
    Tally,
    TerminalHealth,
    check_fit_for_capture,
    check_report,
    hour_of,
    hours_since,
    judge,
    total,
)
from shualian.terminals.model import (
    TERMINAL_NOT_FOUND,
    Actor,
    InstitutionStaff,
    InsurerStaff,
    TerminalChange,
    TerminalEvent,
    sees,
)
from shualian.terminals.register.model import PlaceClaim, RegisteredPlace, check_place
from shualian.terminals.requests.model import VerifiedRequest
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record

_COUNTED = {
    CaptureOutcome.DONE: Tally(captures=1),
    CaptureOutcome.FAILED: Tally(captures=1, failures=1),
    CaptureOutcome.ATTACK: Tally(captures=1, failures=1, pad_alarms=1),
}


class Heartbeats:
    """How every terminal fares."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        thresholds: HealthThresholds,
    ) -> None:
        self._database = database
        self._clock = clock
        self._thresholds = thresholds

    def beat(self, verified: VerifiedRequest, report: HeartbeatReport) -> Health:
        """Take a heartbeat from a verified request and say how the terminal fares.

        A report of tampering stays until :meth:`clear_tamper`, whatever later reports say.

        Raises:
            Refused: ``terminals.report_invalid``.
        """
        check_report(report)
        now = self._clock.now()
        in_place = _agrees(verified.place, report.claim)
        terminal_id = verified.terminal.terminal_id

        def work(connection: Connection) -> Health:
            before = store.beat_of(connection, terminal_id)
            tampered_at = before.tampered_at if before else None
            if report.tampered and tampered_at is None:
                tampered_at = now
                self._record(connection, TerminalChange.TAMPERED, terminal_id, None)
            beat = Beat(now, report.camera_ok, report.disk_free_percent, in_place, tampered_at)
            store.put_beat(connection, terminal_id, beat)
            enrolment_store.set_software(connection, terminal_id, report.software)
            return self._health(connection, terminal_id)

        return self._database.write(work)

    def count_capture(self, *, terminal_id: TerminalId, outcome: CaptureOutcome) -> None:
        """Count a capture that has ended; who was captured is not noted."""
        hour = hour_of(self._clock.now())
        added = _COUNTED[outcome]
        self._database.write(lambda each: store.add_to_tally(each, terminal_id, hour, added))

    def health(self, *, actor: Actor, terminal_id: TerminalId) -> Health:
        """How one terminal fares.

        Raises:
            Refused: ``terminals.terminal_not_found``; also when it is neither active nor
                suspended.
        """

        def work(connection: Connection) -> Health:
            found = store.watched(connection, terminal_id)
            if found is None or not sees(actor, found.institution):
                raise Refused(TERMINAL_NOT_FOUND)
            return self._health(connection, terminal_id)

        return self._database.read(work)

    def all_health(self, *, actor: Actor) -> Sequence[TerminalHealth]:
        """How the active and suspended terminals fare that the actor may see, by number."""
        institution = actor.institution if isinstance(actor, InstitutionStaff) else None
        now = self._clock.now()

        def work(connection: Connection) -> list[TerminalHealth]:
            since = hours_since(now, RECENT + BEFORE)
            tallies = store.tallies_since(connection, since, None)
            return [
                TerminalHealth(
                    terminal_id=each.terminal_id,
                    institution=each.institution,
                    place_id=each.place_id,
                    enrolment=each.state,
                    health=self._judged(each, tallies.get(each.terminal_id, []), now),
                    last_beat_at=each.beat.at if each.beat else None,
                )
                for each in store.all_watched(connection, institution)
            ]

        return self._database.read(work)

    def check_capture(self, verified: VerifiedRequest) -> None:
        """Check that a terminal is fit to take a face now.

        Raises:
            Refused: ``terminals.terminal_at_risk``, ``terminals.heartbeat_stale``,
                ``terminals.camera_failed``.
        """
        terminal_id = verified.terminal.terminal_id
        check_fit_for_capture(self._database.read(lambda each: self._health(each, terminal_id)))

    def clear_tamper(self, *, actor: InsurerStaff, terminal_id: TerminalId) -> None:
        """Note that somebody looked at a terminal that had reported tampering.

        Raises:
            Refused: ``terminals.terminal_not_found``.
        """

        def work(connection: Connection) -> None:
            if store.watched(connection, terminal_id) is None:
                raise Refused(TERMINAL_NOT_FOUND)
            store.clear_tamper(connection, terminal_id)
            self._record(connection, TerminalChange.TAMPER_CLEARED, terminal_id, actor.staff)

        self._database.write(work)

    def _record(
        self,
        connection: Connection,
        change: TerminalChange,
        terminal_id: TerminalId,
        actor: StaffId | None,
    ) -> None:
        payload = TerminalEvent(change=change, subject=Reference(terminal_id), actor=actor)
        record(connection, payload, at=self._clock.now())

    def _health(self, connection: Connection, terminal_id: TerminalId) -> Health:
        now = self._clock.now()
        found = store.watched(connection, terminal_id)
        if found is None:
            raise Refused(TERMINAL_NOT_FOUND)
        since = hours_since(now, RECENT + BEFORE)
        tallies = store.tallies_since(connection, since, terminal_id)
        return self._judged(found, tallies.get(terminal_id, []), now)

    def _judged(
        self,
        found: store.Watched,
        tallies: Sequence[tuple[datetime, Tally]],
        now: datetime,
    ) -> Health:
        recent_from = hours_since(now, RECENT)
        facts = HealthFacts(
            enrolled_at=found.state_at,
            beat=found.beat,
            software=found.software,
            software_current=found.software_current,
            key_made_at=found.key_made_at,
            recent=total([tally for hour, tally in tallies if hour >= recent_from]),
            before=total([tally for hour, tally in tallies if hour < recent_from]),
        )
        return judge(facts, now=now, thresholds=self._thresholds)


def _agrees(place: RegisteredPlace, claim: PlaceClaim) -> bool:
    """A heartbeat is taken from anywhere: that the terminal moved is what it tells."""
    try:
        check_place(place, claim)
    except Refused:
        return False
    return True
