"""Use cases of impact assessments: make one from what runs, keep it, know the duty to file."""

from collections.abc import Sequence

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import StaffId, new_identifier
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.face.calibration import Calibration
from shualian.insurer.assessment import store
from shualian.insurer.assessment.model import (
    ASSESSMENT_MISSING,
    ASSESSMENT_NOT_FOUND,
    AssessedFacts,
    Assessment,
    AssessmentEvent,
    AssessmentId,
    Configuration,
    Counts,
    FilingMark,
    FilingReached,
    accuracy_of,
    check_term_over,
    document_digest,
)
from shualian.insurer.assessment.ports import FilingCounter, Searches
from shualian.insurer.assessment.wording import render
from shualian.insurer.erasures.model import StoreName
from shualian.insurer.messages.model import SEEN_KEPT
from shualian.insurer.notices.model import Notice, RunningFacts
from shualian.insurer.templates.model import PAYMENT_HELD
from shualian.terminals.model import SETTLEMENT_MAX_FEN, TerminalClass
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record
from shualian.verification.model import ConsentPurpose, Scene


class Assessments:
    """Impact assessments of face data, and since when filing is a duty.

    Proven: every number in a document was set, measured or counted when it was made. Not proven:
    that a sentence is right for the place where this runs; that is what people assess.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: Settings,
        mode: Mode,
        running: RunningFacts,
        notice: Notice,
        calibration: Calibration,
        filing: FilingCounter,
        searches: Searches,
    ) -> None:
        """Assess what runs.

        Args:
            database: Has ``store.metadata``'s tables, verification's and the audit's.
            clock: For every moment.
            settings: In force.
            mode: Sandbox or production.
            running: What is done with face data, as the notice is compared with.
            notice: In force.
            calibration: Of the weights in use.
            filing: Counts people with a template.
            searches: Knows how wide a search may be.
        """
        self._database = database
        self._clock = clock
        self._settings = settings
        self._mode = mode
        self._running = running
        self._notice = notice
        self._calibration = calibration
        self._filing = filing
        self._searches = searches

    def facts(self) -> AssessedFacts:
        """What an assessment would state now.

        Raises:
            Refused: ``face.error_rate_not_proven``, ``face.not_calibrated``.
        """
        settings = self._settings
        accuracy = accuracy_of(
            self._calibration,
            verification_fmr=settings.verification_fmr,
            identification_fmr=settings.identification_fmr,
            fpir_max=settings.identification_fpir_max,
            people_max=self._searches.people_max,
        )
        return AssessedFacts(self._configuration(), accuracy, self._counts())

    def make(self, *, actor: StaffId | None = None) -> Assessment:
        """Assess what runs now and keep the document.

        Raises:
            Refused: As :meth:`facts`.
        """
        self.note_filing()
        facts, now = self.facts(), self._clock.now()
        document = render(facts, business_date(now))
        made = Assessment(
            assessment_id=AssessmentId(new_identifier()),
            made_at=now,
            document=document,
            digest=document_digest(document),
            configuration_digest=facts.configuration_digest,
        )

        def work(connection: Connection) -> None:
            store.add(connection, made)
            self._record(connection, made, deleted=False, actor=actor)

        self._database.write(work)
        return made

    def listed(self) -> Sequence[Assessment]:
        """Every assessment that is kept, the newest first."""
        return self._database.read(store.everything)

    def get(self, assessment_id: AssessmentId) -> Assessment:
        """The assessment with this number.

        Raises:
            Refused: ``insurer.assessment_not_found``.
        """
        return self._database.read(lambda connection: _found(connection, assessment_id))

    def forget(self, assessment_id: AssessmentId, *, actor: StaffId | None = None) -> None:
        """Delete an assessment after its term.

        Raises:
            Refused: ``insurer.assessment_not_found``, ``insurer.assessment_kept``.
        """

        def work(connection: Connection) -> None:
            found = _found(connection, assessment_id)
            check_term_over(found, business_date(self._clock.now()))
            store.remove(connection, assessment_id)
            self._record(connection, found, deleted=True, actor=actor)

        self._database.write(work)

    def check_assessed(self) -> None:
        """Check that exactly what runs was assessed; ask in production before anybody is served.

        Raises:
            Refused: ``insurer.assessment_missing``; as :meth:`facts`.
        """
        digest = self.facts().configuration_digest
        if not self._database.read(lambda connection: store.is_assessed(connection, digest)):
            raise Refused(ASSESSMENT_MISSING)

    def note_filing(self) -> FilingMark | None:
        """Remember the day on which the law's number of people was reached; run it daily.

        The first day stays, also when there are fewer people later.
        """
        duty, now = self._filing.filing_due(), self._clock.now()

        def work(connection: Connection) -> FilingMark | None:
            marked = store.mark(connection)
            if marked is not None or not duty.due:
                return marked
            made = FilingMark(business_date(now), duty.people)
            store.put_mark(connection, made)
            record(connection, FilingReached(people=duty.people), at=now)
            return made

        return self._database.write(work)

    def _configuration(self) -> Configuration:
        settings = self._settings
        return Configuration(
            mode=self._mode,
            handler=settings.insurer_name,
            phone=settings.insurer_phone,
            notice_version=self._notice.version,
            facts=self._running,
            scenes=tuple(f"{scene.value} {scene.name.lower()}" for scene in Scene),
            purposes=tuple(purpose.value for purpose in ConsentPurpose),
            degraded_max_fen=settings.registry_degraded_max_fen,
            emergency_searches_max=settings.emergency_searches_max,
            access_log_months=settings.access_log_months,
            message_days=SEEN_KEPT.days,
            payment_held_hours=int(PAYMENT_HELD.total_seconds()) // 3600,
            terminal_limits_fen={
                kind.value: fen
                for kind, fen in SETTLEMENT_MAX_FEN.items()
                if self._mode is Mode.SANDBOX or kind is not TerminalClass.SIMULATED
            },
            stores_searched=tuple(name.value for name in StoreName),
            second_place=settings.audit_checkpoints_dir is not None,
        )

    def _counts(self) -> Counts:
        duty = self._filing.filing_due()
        compared, mark = self._database.read(_people)
        return Counts(
            with_template=duty.people,
            compared=compared,
            filing_people=duty.limit,
            reached_on=None if mark is None else mark.reached_on,
            file_by=None if mark is None else mark.file_by,
        )

    def _record(
        self, connection: Connection, made: Assessment, *, deleted: bool, actor: StaffId | None
    ) -> None:
        event = AssessmentEvent(
            assessment=Reference(made.assessment_id),
            digest=made.digest,
            deleted=deleted,
            actor=actor,
        )
        record(connection, event, at=self._clock.now())


def _people(connection: Connection) -> tuple[int, FilingMark | None]:
    return store.count_compared(connection), store.mark(connection)


def _found(connection: Connection, assessment_id: AssessmentId) -> Assessment:
    found = store.find(connection, assessment_id)
    if found is None:
        raise Refused(ASSESSMENT_NOT_FOUND)
    return found
