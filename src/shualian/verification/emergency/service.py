"""Use cases of the emergency search: propose, approve with one picture, review, access log."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, StaffId, new_identifier
from shualian.core.refusals import Refused
from shualian.face.model import Profile, Purpose
from shualian.face.pictures import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, decode_picture
from shualian.gallery.model import Candidate, Probe
from shualian.terminals.model import InstitutionStaff, InsurerStaff
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record
from shualian.verification.emergency import store
from shualian.verification.emergency.model import (
    APPROVE_WITHIN,
    PER_DAY_DEFAULT,
    PER_DAY_MAX,
    REVIEW_WITHIN,
    SUGGESTIONS_MAX,
    Access,
    Emergency,
    EmergencyAnswer,
    EmergencyId,
    EmergencyReason,
    EmergencyShown,
    EmergencyStep,
    EmergencyUse,
    OpenReview,
    ProposedEmergency,
    ReviewFinding,
    Suggestion,
    check_approval,
    check_daily_limit,
    check_hospital,
    check_words,
    reviewed,
)
from shualian.verification.emergency.ports import (
    EmergencyEngine,
    Identities,
    WholeGallery,
    WordsSealer,
)
from shualian.verification.model import Identity
from shualian.verification.ports import ErrorRates

_WORDS = "verification.emergency.words"


class EmergencySearch:
    """Suggests who an unknown patient in danger may be; for care only.

    It knows neither sessions nor proofs, so nothing that it answers can become one. The picture
    and the vector live in the call of :meth:`approve` and are stored nowhere.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        engine: EmergencyEngine,
        gallery: WholeGallery,
        error_rates: ErrorRates,
        fmr: float,
        people: Identities,
        sealer: WordsSealer,
        per_day_max: int = PER_DAY_DEFAULT,
    ) -> None:
        """Fix the threshold, so that an unproven error rate stops the start-up.

        Args:
            database: Of the insurer.
            clock: Asked for the time.
            engine: Measures the one picture.
            gallery: Of all insured people.
            error_rates: What the calibration has proven.
            fmr: False match rate of one comparison from which somebody is suggested, 0..1.
            people: To mask who is suggested.
            sealer: For the words beside the reason.
            per_day_max: Searches of one institution a business day, 1..50.

        Raises:
            Refused: By ``error_rates`` when ``fmr`` is not proven.
            ValueError: When ``per_day_max`` is out of range.
        """
        if not 1 <= per_day_max <= PER_DAY_MAX:
            raise ValueError(f"an institution may make 1 to {PER_DAY_MAX} searches a day")
        self._database = database
        self._clock = clock
        self._engine = engine
        self._gallery = gallery
        self._point = error_rates.at(fmr, population=None)
        self._people = people
        self._sealer = sealer
        self._per_day_max = per_day_max

    def propose(
        self, actor: InstitutionStaff, *, reason: EmergencyReason, words: str = ""
    ) -> ProposedEmergency:
        """The first of two people asks for a search; nothing is searched yet.

        Args:
            actor: Signed in and allowed.
            reason: Why the patient cannot be asked.
            words: Beside it, without a name; needed for another reason than the named ones.

        Raises:
            Refused: ``verification.emergency_not_here``, ``emergency_words_invalid``.
        """
        check_hospital(actor.institution)
        emergency_id, now = EmergencyId(new_identifier()), self._clock.now()
        emergency = Emergency(
            emergency_id=emergency_id,
            institution=actor.institution,
            reason=reason,
            proposed_by=actor.staff,
            proposed_at=now,
            words_sealed=self._sealed(emergency_id, check_words(words, reason=reason)),
        )

        def work(connection: Connection) -> None:
            store.add(connection, emergency)
            _record(connection, EmergencyStep.PROPOSED, emergency, actor.staff, now)

        self._database.write(work)
        return ProposedEmergency(emergency_id, now + APPROVE_WITHIN)

    def approve(
        self, actor: InstitutionStaff, emergency_id: EmergencyId, *, picture: bytes
    ) -> EmergencyAnswer:
        """The second of two people approves, and the picture is searched once.

        A picture without a face changes nothing, so another one may follow in time. The use counts
        before the gallery is asked, and who is suggested is stored before it is shown.

        Args:
            actor: Of the same institution, not the one who proposed.
            emergency_id: Proposed at most five minutes ago.
            picture: One JPEG, PNG or WebP; gone after the answer.

        Raises:
            Refused: ``verification.emergency_not_found``, ``staff.same_person``,
                ``verification.emergency_closed``, ``emergency_expired``, ``emergency_limit``,
                ``face.picture_...``, ``face.no_face``, and those of the gallery.
        """
        self._database.read(lambda connection: self._approvable(connection, actor, emergency_id))
        probe = self._probe(picture)
        due = self._database.write(lambda connection: self._claim(connection, actor, emergency_id))
        nearest = self._gallery.identify(probe, None, SUGGESTIONS_MAX)
        suggestions = self._suggestions(nearest)

        def work(connection: Connection) -> None:
            self._keep_answer(connection, actor, emergency_id, [each for each, _ in suggestions])

        self._database.write(work)
        return EmergencyAnswer(
            emergency_id=emergency_id,
            suggestions=tuple(shown for _, shown in suggestions),
            threshold=self._point.threshold,
            fmr_upper95=self._point.fmr_upper95,
            review_due_at=due,
        )

    def open_reviews(self, actor: InsurerStaff) -> Sequence[OpenReview]:  # noqa: ARG002 - the type is the right to ask
        """Every search that waits for a supervisor, the oldest first, with its words."""
        now = self._clock.now()
        found = self._database.read(store.open_reviews)
        return [OpenReview(each, self._opened(each), each.overdue(now)) for each in found]

    def review(
        self, actor: InsurerStaff, emergency_id: EmergencyId, *, finding: ReviewFinding
    ) -> None:
        """A supervisor says whether a search was justified.

        Raises:
            Refused: ``verification.emergency_not_found``, ``emergency_not_used``,
                ``emergency_reviewed``, ``staff.same_person``.
        """

        def work(connection: Connection) -> None:
            now = self._clock.now()
            found = store.find(connection, emergency_id)
            after = reviewed(found, staff=actor.staff, finding=finding, now=now)
            store.put_review(connection, after)
            _record(connection, EmergencyStep.REVIEWED, after, actor.staff, now)

        self._database.write(work)

    def accesses_of(self, psn_no: PersonNo) -> Sequence[Access]:
        """Every time this person was suggested, the latest first: for the person's access log."""
        return self._database.read(lambda connection: store.accesses_of(connection, psn_no))

    def purge(self) -> int:
        """Delete proposals that nobody approved in time; the searches made are kept."""
        before = self._clock.now() - APPROVE_WITHIN
        return self._database.write(lambda connection: store.remove_unused(connection, before))

    def forget_before(self, before: datetime) -> int:
        """Delete searches made before a moment, with whom they suggested; how many.

        One that nobody has reviewed stays until somebody has. The audit stays.
        """
        return self._database.write(lambda connection: store.forget(connection, before))

    def _approvable(
        self, connection: Connection, actor: InstitutionStaff, emergency_id: EmergencyId
    ) -> Emergency:
        now = self._clock.now()
        found = check_approval(
            store.find(connection, emergency_id),
            institution=actor.institution,
            staff=actor.staff,
            now=now,
        )
        used = store.used_on(connection, actor.institution, business_date(now))
        check_daily_limit(used, per_day_max=self._per_day_max)
        return found

    def _claim(
        self, connection: Connection, actor: InstitutionStaff, emergency_id: EmergencyId
    ) -> datetime:
        found, now = self._approvable(connection, actor, emergency_id), self._clock.now()
        store.put_approval(connection, emergency_id, by=actor.staff, at=now)
        _record(connection, EmergencyStep.APPROVED, found, actor.staff, now)
        return now + REVIEW_WITHIN

    def _probe(self, picture: bytes) -> Probe:
        frame = decode_picture(picture, bytes_max=FRAME_BYTES_MAX, pixels_max=FRAME_PIXELS_MAX)
        measured = self._engine.measure(frame, Purpose.PROBE, profile=Profile.BEDSIDE)
        return Probe(measured.embedding, measured.path_id)

    def _suggestions(self, nearest: Sequence[Candidate]) -> list[tuple[PersonNo, Suggestion]]:
        alike = [each for each in nearest if each.score >= self._point.threshold]
        found: list[tuple[PersonNo, Suggestion]] = []
        for place, candidate in enumerate(alike[:SUGGESTIONS_MAX], start=1):
            identity = self._identity(PersonNo(candidate.subject))
            if identity is None:
                continue
            shown = Suggestion(
                place=place,
                score=float(candidate.score),
                masked_name=identity.masked_name,
                masked_id_number=identity.id_number.masked,
                region=identity.region,
            )
            found.append((identity.subject, shown))
        return found

    def _identity(self, subject: PersonNo) -> Identity | None:
        try:
            return self._people.identity(subject)
        except Refused:
            # Who left the register meanwhile must not cost a patient the other suggestions.
            return None

    def _keep_answer(
        self,
        connection: Connection,
        actor: InstitutionStaff,
        emergency_id: EmergencyId,
        people: Sequence[PersonNo],
    ) -> None:
        now = self._clock.now()
        store.put_answer(connection, emergency_id, people)
        found = store.find(connection, emergency_id)
        if found is not None:
            _record(connection, EmergencyStep.ANSWERED, found, actor.staff, now)
        for subject in people:
            event = EmergencyShown(
                emergency=Reference(emergency_id), institution=actor.institution, subject=subject
            )
            record(connection, event, at=now)

    def _sealed(self, emergency_id: EmergencyId, words: str) -> bytes:
        if not words:
            return b""
        return self._sealer.seal(words.encode(), purpose=_WORDS, context=emergency_id.encode())

    def _opened(self, emergency: Emergency) -> str:
        if not emergency.words_sealed:
            return ""
        context = emergency.emergency_id.encode()
        return self._sealer.open(emergency.words_sealed, purpose=_WORDS, context=context).decode()


def _record(
    connection: Connection, step: EmergencyStep, found: Emergency, actor: StaffId, at: datetime
) -> None:
    event = EmergencyUse(
        step=step,
        emergency=Reference(found.emergency_id),
        institution=found.institution,
        actor=actor,
        proposed_by=found.proposed_by,
        reason=found.reason,
        suggestions=found.suggestions,
        finding=found.finding,
    )
    record(connection, event, at=at)
