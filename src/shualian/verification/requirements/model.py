"""What a scene asks for: how much liveness, whether the registry, and what money needs; pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.core.settings import RegistryCheck
from shualian.face.liveness.decision import LivenessLevel
from shualian.terminals.model import TerminalClass, check_settlement
from shualian.verification.model import (
    ACTIVE_NEEDED,
    DEGRADED_LIMIT,
    FACE_ALONE,
    GUARDIAN_MISSING,
    NO_DOCUMENT_READER,
    PAYMENT_HELD,
    VOUCHER_CLOSED,
    VOUCHER_FROZEN,
    VOUCHER_NOT_ACTIVATED,
    Document,
    Factor,
    LookFor,
    Scene,
    Standing,
    VerifiedPerson,
    VoucherStanding,
)
from shualian.verification.registry.model import (
    REFUSAL_OF,
    REGISTRY_UNAVAILABLE,
    RegistryVerdict,
)
from shualian.verification.sessions.model import SoughtBy

PASSIVE_SCENES = frozenset(
    {
        Scene.REGISTRATION,
        Scene.CONSULTATION,
        Scene.EXAMINATION_APPOINTMENT,
        Scene.EXAMINATION,
        Scene.TREATMENT,
    }
)
"""Scenes that move nothing and show little: a place in a queue, the right person on the couch.

What hands something out (drugs, reports, copies of records, bills) asks for active liveness even
without money.
"""

FAILURES_AT_RISK = 3
"""So many refused captures at a terminal within :data:`RISK_MINUTES` ask for active liveness."""
RISK_MINUTES = 10

_READING_DOCUMENTS = frozenset(
    {TerminalClass.SCAN_FACE, TerminalClass.SCAN_FACE_PAY, TerminalClass.SIMULATED}
)
"""Certified classes II and III carry an ID card module (terminal specification)."""
_WHOLE_NUMBER = frozenset({SoughtBy.NUMBER, SoughtBy.DOCUMENT})
_WAKING = frozenset({VoucherStanding.NOT_ACTIVATED, VoucherStanding.DORMANT})
_REFUSED_STANDING = {
    VoucherStanding.FROZEN: VOUCHER_FROZEN,
    VoucherStanding.CLOSED: VOUCHER_CLOSED,
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known when a session opens.

    Attributes:
        scene: What for.
        amount_max_fen: The most that may be moved.
        terminal_class: Of the terminal.
        sought_by: How the terminal says whom it looks for.
        voucher: Of the claimed person, where one is known.
        failures: Refused captures at the terminal within the last minutes.
    """

    scene: Scene
    amount_max_fen: Fen
    terminal_class: TerminalClass
    sought_by: SoughtBy
    voucher: VoucherStanding | None
    failures: int


def liveness_level(found: Circumstances) -> LivenessLevel:
    """How much liveness the capture must pass.

    A whole number always asks for active liveness: it may be a first activation, it may be decided
    by the registry alone, and the level must not tell a stranger how somebody's voucher stands.
    """
    passive = (
        found.scene in PASSIVE_SCENES
        and found.amount_max_fen == 0
        and found.terminal_class is not TerminalClass.BROWSER
        and found.sought_by not in _WHOLE_NUMBER
        and found.voucher not in _WAKING
        and found.failures < FAILURES_AT_RISK
    )
    return LivenessLevel.PASSIVE if passive else LivenessLevel.ACTIVE


def check_reads_documents(look_for: LookFor, terminal_class: TerminalClass) -> None:
    """Check that a claimed document can have been read: a browser has no certified reader.

    Without that, a typed number would pass for a document, which joins a face to move money.

    Raises:
        Refused: ``verification.no_document_reader``.
    """
    if isinstance(look_for, Document) and terminal_class not in _READING_DOCUMENTS:
        raise Refused(NO_DOCUMENT_READER)


def registry_asked(
    check: RegistryCheck, *, level: LivenessLevel, amount_max_fen: Fen, by_template: bool
) -> bool:
    """Whether the police registry compares too (field facts 1).

    ``risk`` leaves it out only for a template's match in a passive capture without money.
    """
    little = level is LivenessLevel.PASSIVE and amount_max_fen == 0 and by_template
    return not (check is RegistryCheck.RISK and little)


def check_registry(
    verdict: RegistryVerdict | None, standing: Standing, *, by_template: bool
) -> None:
    """Check the registry's answer: a mismatch refuses, silence is enough only for a known face.

    Raises:
        Refused: ``verification.registry_...`` by the verdict; ``registry_unavailable`` when there
            is no answer and nothing else proves the person, or a voucher is to be activated.
    """
    if verdict is not None and verdict in REFUSAL_OF:
        raise Refused(REFUSAL_OF[verdict])
    needed = not by_template or standing.voucher in _WAKING
    if needed and verdict is not RegistryVerdict.MATCH:
        raise Refused(REGISTRY_UNAVAILABLE)


def check_not_barred(standing: Standing, *, scene: Scene) -> None:
    """Check that the voucher is neither frozen nor closed; asked of whomever something is done for.

    For a person's own matters with the insurer a frozen or closed voucher is no bar: they come to
    unfreeze it, or to withdraw a consent.

    Raises:
        Refused: ``verification.voucher_frozen``, ``voucher_closed``.
    """
    if scene is not Scene.INSURED_SERVICES and standing.voucher in _REFUSED_STANDING:
        raise Refused(_REFUSED_STANDING[standing.voucher])


def check_own_face(standing: Standing, *, scene: Scene) -> None:
    """Check that this person's own face may be used: a guardian agreed for a child, and no bar.

    Asked of who scans only: a child for whom a relative scans shows no face.

    Raises:
        Refused: As :func:`check_not_barred`; ``verification.guardian_missing``.
    """
    check_not_barred(standing, scene=scene)
    if standing.guardian_missing:
        raise Refused(GUARDIAN_MISSING)


def check_may_wake(standing: Standing, *, sought_by: SoughtBy, active: bool) -> None:
    """Check that this capture may activate or wake the voucher, if the voucher needs that.

    Activation takes a whole number, because nobody is activated from a search; waking takes any.
    Both take active liveness.

    Raises:
        Refused: ``verification.voucher_not_activated``, ``verification.active_needed``.
    """
    not_activated = standing.voucher is VoucherStanding.NOT_ACTIVATED
    if not_activated and sought_by not in _WHOLE_NUMBER:
        raise Refused(VOUCHER_NOT_ACTIVATED)
    if standing.voucher in _WAKING and not active:
        raise Refused(ACTIVE_NEEDED)


def check_active(standing: Standing, *, scene: Scene) -> None:
    """Check that a voucher is in use now, or that the scene does not need it.

    Raises:
        Refused: As :func:`check_own_face`, or ``verification.voucher_not_activated``.
    """
    check_own_face(standing, scene=scene)
    barred = standing.voucher in _REFUSED_STANDING
    if not barred and standing.voucher is not VoucherStanding.ACTIVE:
        raise Refused(VOUCHER_NOT_ACTIVATED)


def may_enrol(person: VerifiedPerson, *, sought_by: SoughtBy, agreed: bool) -> bool:
    """Whether the capture may become a template: never from a search or a passive capture."""
    matched = person.registry is RegistryVerdict.MATCH
    return person.active and matched and agreed and sought_by in _WHOLE_NUMBER


def may_move_money(factors: Collection[Factor]) -> bool:
    """Whether these factors together may move money.

    The face must be joined by a claimed identity (called by name, document) or a PIN: the error
    rates that the default weights prove do not carry money on the face alone. Typed digits tell
    people apart and never count.
    """
    joined = {Factor.CALLED, Factor.DOCUMENT, Factor.PIN}
    return Factor.FACE in factors and not joined.isdisjoint(factors)


@dataclass(frozen=True, slots=True)
class MoneyRules:
    """What the operator allows.

    Attributes:
        mode: Of the database.
        degraded_max_fen: The most that a face may move without the registry's answer.
    """

    mode: Mode
    degraded_max_fen: Fen


def check_money(
    amount_fen: Fen,
    person: VerifiedPerson,
    *,
    factors: Collection[Factor],
    terminal_class: TerminalClass,
    standing: Standing,
    rules: MoneyRules,
    now: datetime,
) -> None:
    """Check that capture, person and terminal carry an amount; 0 moves no money.

    Raises:
        Refused: ``verification.face_alone``, ``payment_held``, ``degraded_limit``,
            ``terminals.amount_over_limit``.
    """
    if amount_fen == 0:
        return
    if not may_move_money(factors):
        raise Refused(FACE_ALONE, found=",".join(sorted(factors)))
    # A template that was just replaced may be another person's face.
    if standing.payment_held_until is not None and now < standing.payment_held_until:
        raise Refused(PAYMENT_HELD)
    check_settlement(terminal_class, amount_fen, mode=rules.mode)
    if person.registry is RegistryVerdict.MATCH:
        return
    limit_fen = rules.degraded_max_fen if person.degraded else 0
    if amount_fen > limit_fen:
        raise Refused(DEGRADED_LIMIT, found_fen=amount_fen, limit_fen=limit_fen)


def standing_codes(standing: Standing, *, now: datetime) -> tuple[str, ...]:
    """What a person is told beside the result: every code that applies."""
    held = standing.payment_held_until is not None and now < standing.payment_held_until
    told = {
        standing.voucher.value: standing.voucher is not VoucherStanding.ACTIVE,
        "payment_held": held,
        "guardian_missing": standing.guardian_missing,
        "consent_outdated": standing.consent_outdated,
        standing.insurance_note or "": standing.insurance_note is not None,
    }
    return tuple(code for code, applies in told.items() if applies)
