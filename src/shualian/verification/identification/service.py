"""From a capture to a finding: whom to compare with, the comparison, the registry, the standing."""

from collections.abc import Collection
from dataclasses import replace

from shualian.core.clock import Clock
from shualian.core.identifiers import PersonNo, TerminalId, new_identifier
from shualian.core.refusals import Refused
from shualian.core.settings import RegistryCheck
from shualian.face.liveness.decision import LivenessLevel
from shualian.face.model import Profile
from shualian.verification.identification.model import (
    Candidate,
    decide_identification,
    decide_verification,
    people_limit,
    spent,
)
from shualian.verification.model import (
    ACTIVE_NEEDED,
    NOBODY_CALLED,
    NOT_LIVE,
    PATH_DIFFERS,
    PERSON_NOT_FOUND,
    PICTURE_POOR,
    Called,
    Document,
    Expected,
    Factor,
    LastDigits,
    LookFor,
    OperatingPoint,
    Policy,
    TypedNumber,
    UnknownReason,
)
from shualian.verification.ports import (
    Captured,
    ErrorRates,
    Expectations,
    Gallery,
    InsuredPeople,
)
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict
from shualian.verification.registry.ports import PoliceRegistry
from shualian.verification.requirements.model import (
    check_may_wake,
    check_own_face,
    check_registry,
    registry_asked,
)
from shualian.verification.sessions.model import (
    SEARCHES,
    CaptureSession,
    Finding,
    Found,
    Sought,
    SoughtBy,
    Spent,
    checked_digits,
)

_FACTORS = {
    SoughtBy.EXPECTED: frozenset({Factor.FACE}),
    SoughtBy.DIGITS: frozenset({Factor.FACE, Factor.DIGITS}),
    SoughtBy.CALLED: frozenset({Factor.FACE, Factor.CALLED}),
    SoughtBy.NUMBER: frozenset({Factor.FACE, Factor.DIGITS}),
    SoughtBy.DOCUMENT: frozenset({Factor.FACE, Factor.DOCUMENT}),
}
_WHOLE_NUMBER = frozenset({SoughtBy.NUMBER, SoughtBy.DOCUMENT})


class Identification:
    """Decides who was captured; reads people and templates, writes nothing."""

    def __init__(
        self,
        *,
        clock: Clock,
        gallery: Gallery,
        error_rates: ErrorRates,
        policy: Policy,
        people: InsuredPeople,
        expectations: Expectations,
        registry: PoliceRegistry,
        registry_check: RegistryCheck,
    ) -> None:
        """Fix the operating points, so that an unproven error rate stops the start-up.

        Raises:
            Refused: By ``error_rates`` when the policy asks for more than is proven.
        """
        self._clock = clock
        self._gallery = gallery
        self._policy = policy
        self._people = people
        self._expectations = expectations
        self._registry = registry
        self._registry_check = registry_check
        self._identification = _proven(error_rates, policy.identification_fmr, policy)
        self._verification = _proven(error_rates, policy.verification_fmr, policy)

    @property
    def people_max(self) -> int:
        """How many people one attempt may search without a claim."""
        return people_limit(self._identification, self._policy)

    def sought(self, look_for: LookFor, terminal_id: TerminalId) -> Sought:
        """Whom ``look_for`` means at a terminal now, without the number itself.

        Raises:
            Refused: ``verification.digits_invalid``, ``verification.nobody_called``.
        """
        match look_for:
            case Expected():
                return Sought(SoughtBy.EXPECTED)
            case LastDigits(digits):
                return Sought(SoughtBy.DIGITS, digits=checked_digits(digits))
            case Called():
                return Sought(SoughtBy.CALLED, claimed=self._called(terminal_id))
            case TypedNumber(id_number):
                return Sought(SoughtBy.NUMBER, claimed=self._people.by_number(id_number))
            case Document(id_number):
                return Sought(SoughtBy.DOCUMENT, claimed=self._people.by_number(id_number))

    def sought_now(self, sought: Sought, terminal_id: TerminalId) -> Sought:
        """The same, with whoever is called at the terminal by now.

        Raises:
            Refused: ``verification.nobody_called``.
        """
        if sought.by is SoughtBy.CALLED:
            return Sought(SoughtBy.CALLED, claimed=self._called(terminal_id))
        return sought

    def find(
        self, session: CaptureSession, captured: Captured, sought: Sought
    ) -> tuple[Finding, Spent]:
        """What one attempt comes to, and what it adds to the session's error bound.

        Asks the police registry, so never inside a transaction.
        """
        used = Spent()
        try:
            _check_capture(captured, session.liveness)
            candidate, used = self._compared(captured, session, sought)
            if isinstance(candidate, UnknownReason):
                return candidate, used
            return self._judged(captured, session, sought, candidate), used
        except Refused as refused:
            # Its traceback would keep the picture alive.
            return refused.with_traceback(None), used

    def _called(self, terminal_id: TerminalId) -> PersonNo:
        called = self._expectations.called(terminal_id, now=self._clock.now())
        if called is None:
            raise Refused(NOBODY_CALLED)
        return called

    def _compared(
        self, captured: Captured, session: CaptureSession, sought: Sought
    ) -> tuple[Candidate | PersonNo | UnknownReason, Spent]:
        # A threshold means nothing for vectors of another path.
        for point in (self._identification, self._verification):
            if captured.probe.path_id != point.path_id:
                raise Refused(PATH_DIFFERS, found=captured.probe.path_id, expected=point.path_id)
        if sought.by in SEARCHES:
            return self._searched(captured, self._among(session, sought))
        return self._compared_with_claimed(captured, sought)

    def _among(self, session: CaptureSession, sought: Sought) -> Collection[PersonNo]:
        if sought.digits is not None:
            return self._people.by_last_digits(sought.digits)
        return self._expectations.expected(session.institution, now=self._clock.now())

    def _searched(
        self, captured: Captured, among: Collection[PersonNo]
    ) -> tuple[Candidate | UnknownReason, Spent]:
        if not among:
            return UnknownReason.NO_TEMPLATE, Spent()
        # Everybody who is enrolled comes back, so that the limit counts templates, not the
        # register; above it no score is looked at.
        enrolled = self._nearest(captured, among)
        if len(enrolled) > self.people_max:
            return UnknownReason.TOO_MANY_PEOPLE, Spent()
        point = self._identification
        decided = decide_identification(
            enrolled, threshold=point.threshold, margin=self._policy.margin
        )
        return decided, spent(point, len(enrolled), self._policy)

    def _compared_with_claimed(
        self, captured: Captured, sought: Sought
    ) -> tuple[Candidate | PersonNo | UnknownReason, Spent]:
        claimed = sought.claimed
        if claimed is None:
            raise Refused(PERSON_NOT_FOUND)
        consented = self._people.standing(claimed, now=self._clock.now()).template_consent
        enrolled = self._nearest(captured, {claimed}) if consented else []
        point = self._verification
        if enrolled:
            decided = decide_verification(enrolled, claimed, threshold=point.threshold)
            return decided, spent(point, 1, self._policy)
        # Who keeps no template is compared by the registry alone, on a whole number only.
        return (claimed if sought.by in _WHOLE_NUMBER else UnknownReason.NO_TEMPLATE), Spent()

    def _nearest(self, captured: Captured, among: Collection[PersonNo]) -> list[Candidate]:
        nearest = self._gallery.identify(captured.probe, among, len(among))
        return [Candidate(PersonNo(found.subject), float(found.score)) for found in nearest]

    def _judged(
        self,
        captured: Captured,
        session: CaptureSession,
        sought: Sought,
        matched: Candidate | PersonNo,
    ) -> Found | UnknownReason:
        by_template = isinstance(matched, Candidate)
        subject = matched.subject if isinstance(matched, Candidate) else matched
        standing = self._people.standing(subject, now=self._clock.now())
        # Consent may have been withdrawn since the search began.
        if by_template and not standing.template_consent:
            return UnknownReason.NO_TEMPLATE
        if not by_template and not captured.active:
            raise Refused(ACTIVE_NEEDED)
        check_may_wake(standing, sought_by=sought.by, active=captured.active)
        verdict = self._asked(captured, session, subject, by_template=by_template)
        check_registry(verdict, standing, by_template=by_template)
        # After everything that proves the person: a stranger does not learn how it stands.
        check_own_face(standing, scene=session.scene)
        return Found(
            subject=subject,
            score=matched.score if isinstance(matched, Candidate) else None,
            point=_stated(self._point(sought), captured) if by_template else None,
            factors=_FACTORS[sought.by],
            registry=verdict,
            active=captured.active,
        )

    def _point(self, sought: Sought) -> OperatingPoint:
        return self._identification if sought.by in SEARCHES else self._verification

    def _asked(
        self, captured: Captured, session: CaptureSession, subject: PersonNo, *, by_template: bool
    ) -> RegistryVerdict | None:
        asked = registry_asked(
            self._registry_check,
            level=session.liveness,
            amount_max_fen=session.amount_max_fen,
            by_template=by_template,
        )
        if not asked:
            return None
        if captured.picture is None:
            return RegistryVerdict.UNAVAILABLE
        identity = self._people.identity(subject)
        return self._registry.compare(
            RegistryQuery(new_identifier(), identity.id_number, identity.name, captured.picture)
        )


def _stated(point: OperatingPoint, captured: Captured) -> OperatingPoint:
    """What is proven of a decision: nothing for heads that lay, which no calibration saw."""
    if captured.profile is Profile.STANDING:
        return point
    return replace(point, proven_for_population=False)


def _check_capture(captured: Captured, level: LivenessLevel) -> None:
    # Without the challenge that the session asks for, nobody was shown to be live.
    lacking = level is LivenessLevel.ACTIVE and not captured.active
    if lacking or not captured.liveness.live:
        raise Refused(NOT_LIVE)
    if not captured.qualities or not all(seen.acceptable for seen in captured.qualities):
        raise Refused(PICTURE_POOR)


def _proven(error_rates: ErrorRates, fmr: float, policy: Policy) -> OperatingPoint:
    point = error_rates.at(fmr, population=policy.population)
    return OperatingPoint(
        fmr=point.fmr,
        fmr_upper95=point.fmr_upper95,
        threshold=point.threshold,
        path_id=point.path_id,
        data=point.data,
        proven_for_population=point.proven_for_population,
    )
