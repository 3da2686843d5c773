"""Use cases of the access log: show it, note who else looked, forget it, list who was touched."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.accesses import store
from shualian.insurer.accesses.model import (
    LINES_MAX,
    AccessLine,
    AccessLog,
    AccessLogShown,
    AffectedPerson,
    LogView,
    PlacedLine,
    Viewer,
    affected,
    kept_from,
    merged,
    person_fields,
)
from shualian.insurer.accesses.ports import (
    EmergencyAccesses,
    FaceAccesses,
    Guardians,
    InstitutionNames,
)
from shualian.insurer.consents.model import GivenBy
from shualian.terminals.model import Actor, InstitutionStaff, Terminal
from shualian.trust.audit.model import AUDIT_UNREADABLE
from shualian.trust.audit.service import record


class Accesses:
    """What was done with a person's identity, for that person.

    Proven: whatever verification or an emergency search stored of a person is in it until its
    term ends, and so is every look at it by somebody else through this service. Not proven: what
    somebody read in the database itself; that is a matter of the machine's own protection.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        faces: FaceAccesses,
        emergencies: EmergencyAccesses,
        institutions: InstitutionNames,
        guardians: Guardians,
        months: int,
    ) -> None:
        """Put the logs of the parts together.

        Args:
            database: Has ``store.metadata``'s table, the terminals' register and the audit.
            clock: For every moment.
            faces: Verifications, confirmations and uses.
            emergencies: Emergency searches.
            institutions: Their names.
            guardians: Who may see the matters of a child.
            months: How long lines are kept.
        """
        self._database = database
        self._clock = clock
        self._faces = faces
        self._emergencies = emergencies
        self._institutions = institutions
        self._guardians = guardians
        self._months = months

    def of(self, psn_no: PersonNo) -> AccessLog:
        """The log of a person who asks for the own one."""
        views = self._database.read(lambda connection: store.views_of(connection, psn_no))
        since = kept_from(self._clock.now(), months=self._months)
        lines = [
            line
            for line in merged(
                self._faces.accesses_of(psn_no), self._emergencies.accesses_of(psn_no), views
            )
            # What is due to be deleted is not shown either, whenever the deletion runs.
            if line.at >= since
        ]
        shown = lines[-LINES_MAX:]
        return AccessLog(tuple(self._placed(shown)), len(lines) - len(shown), since)

    def to_guardian(self, psn_no: PersonNo, guardian: PersonNo, *, terminal: Terminal) -> AccessLog:
        """The log of a child for the guardian, by the guardian's own proof; it is noted in it.

        Raises:
            Refused: ``insurer.guardian_not_proven``.
        """
        # Who was a guardian once is none of somebody who has grown up.
        self._guardians.check_may_see(psn_no, by=self._guardians.as_guardian(psn_no, guardian))
        where = terminal.institution
        event = AccessLogShown(
            subject=psn_no, viewer=Viewer.GUARDIAN, guardian=guardian, institution=where
        )
        self._note(event, where)
        return self.of(psn_no)

    def at_window(self, psn_no: PersonNo, *, by: GivenBy, actor: Actor) -> AccessLog:
        """The log for somebody at a window whose document ``actor`` saw; the look is noted in it.

        Raises:
            Refused: When the document is not enough, or nothing says that it is the guardian.
        """
        self._guardians.check_may_see(psn_no, by=by)
        where = actor.institution if isinstance(actor, InstitutionStaff) else None
        event = AccessLogShown(
            subject=psn_no, viewer=Viewer.STAFF, actor=actor.staff, institution=where
        )
        self._note(event, where)
        return self.of(psn_no)

    def purge(self) -> int:
        """Delete what is older than its term, in every log; how many entries."""
        before = kept_from(self._clock.now(), months=self._months)
        views = self._database.write(lambda connection: store.forget_views(connection, before))
        faces, searches = self._faces, self._emergencies
        return views + faces.forget_before(before) + searches.forget_before(before)

    def _note(self, event: AccessLogShown, institution: InstitutionCode | None) -> None:
        now = self._clock.now()
        view = LogView(event.subject, now, event.viewer, institution)

        def work(connection: Connection) -> None:
            store.add_view(connection, view)
            record(connection, event, at=now)

        self._database.write(work)

    def _placed(self, lines: Iterable[AccessLine]) -> Iterator[PlacedLine]:
        lines = list(lines)
        wanted = {line.terminal_id for line in lines if line.terminal_id is not None}
        places = self._database.read(lambda connection: store.places_of(connection, wanted))
        where = {line.institution for line in lines if line.institution is not None}
        names = {each: self._institutions.name(each) for each in where}
        for line in lines:
            name = names[line.institution] if line.institution is not None else None
            place = places.get(line.terminal_id) if line.terminal_id is not None else None
            yield PlacedLine(line, name, place)


def affected_people(
    connection: Connection, *, since: datetime, until: datetime
) -> list[AffectedPerson]:
    """Everybody whom the audit names in ``since <= at < until``: for the notice of a breach.

    By number only. It reads, so it runs beside a server too. Proven: nobody whom a record of that
    time names is left out. Not proven: that whoever broke in left a record; then the span must be
    taken so wide that it holds everybody who could have been reached.

    Raises:
        Refused: ``trust.audit_unreadable`` for a record of a kind that is not known here, which
            could name people.
    """
    return affected(_known(store.audited(connection, since=since, until=until)))


def _known(records: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    for each in records:
        if person_fields(each[0]) is None:
            raise Refused(AUDIT_UNREADABLE, found="a kind of record that is not known")
        yield each
