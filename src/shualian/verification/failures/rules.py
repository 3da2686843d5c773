"""Which failure each answer of the system means; pure.

Nothing may fall through: :func:`of_refusal` answers every code, and a test holds that each declared
code that can arise while somebody stands in front of a camera is listed under a failure, or under
:data:`TECHNICAL` with the reason why nobody there should see its own words.

Codes of parts above are named by their text, because this part must not know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shualian.core.refusals import Refused
from shualian.face.liveness.challenge import ChallengeFailure
from shualian.face.liveness.decision import LivenessReason
from shualian.face.model import Hint
from shualian.verification.failures import model as failure
from shualian.verification.failures.model import ScanFailure
from shualian.verification.model import UnknownReason, VoucherStanding
from shualian.verification.registry.model import RegistryVerdict


@dataclass(frozen=True, slots=True)
class Technical:
    """Codes whose own words nobody in front of a camera should see, and what is shown instead.

    Attributes:
        shown_as: What the person is told.
        why: Why the codes are kept from the person.
        codes: Of refusal kinds.
    """

    shown_as: ScanFailure
    why: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Codes that no scan meets: their own words stand on a page of their own.

    Attributes:
        why: Where they stand.
        codes: Of refusal kinds.
    """

    why: str
    codes: tuple[str, ...]


_OF_HINT: Mapping[Hint, ScanFailure | None] = MappingProxyType(
    {
        Hint.NO_FACE: failure.NO_FACE,
        Hint.SEVERAL_PEOPLE: failure.SEVERAL_PEOPLE,
        Hint.TOO_DARK: failure.TOO_DARK,
        Hint.TOO_BRIGHT: failure.TOO_BRIGHT,
        Hint.BACK_LIT: failure.BACK_LIT,
        Hint.TOO_FAR: failure.TOO_FAR,
        Hint.TOO_CLOSE: failure.TOO_CLOSE,
        Hint.OFF_CENTRE: failure.OFF_CENTRE,
        Hint.MASK: failure.MASK,
        Hint.SUNGLASSES: failure.SUNGLASSES,
        Hint.GLARE: failure.GLARE,
        Hint.EYES_CLOSED: failure.EYES_CLOSED,
        Hint.TURN_FRONT: failure.TURN_FRONT,
        Hint.TILTED: failure.TILTED,
        Hint.MOVING: failure.MOVING,
        # All is well: the words of this hint are praise and not a failure.
        Hint.HOLD_STILL: None,
    }
)

_OF_VERDICT: Mapping[RegistryVerdict, ScanFailure | None] = MappingProxyType(
    {
        RegistryVerdict.MATCH: None,
        RegistryVerdict.NO_MATCH: failure.LOOKS_CHANGED,
        RegistryVerdict.NAME_NUMBER_MISMATCH: failure.NAME_OR_NUMBER,
        RegistryVerdict.NO_USABLE_PHOTO: failure.PHOTO_OLD,
        RegistryVerdict.NOT_FOUND: failure.REGISTRY_NOT_FOUND,
        RegistryVerdict.UNAVAILABLE: failure.REGISTRY_DOWN,
    }
)

_OF_VOUCHER: Mapping[VoucherStanding, ScanFailure | None] = MappingProxyType(
    {
        VoucherStanding.NOT_ACTIVATED: failure.NOT_ACTIVATED,
        VoucherStanding.ACTIVE: None,
        VoucherStanding.DORMANT: failure.DORMANT,
        VoucherStanding.FROZEN: failure.FROZEN,
        VoucherStanding.CLOSED: failure.CLOSED,
    }
)

_OF_LIVENESS: Mapping[LivenessReason, ScanFailure | None] = MappingProxyType(
    {
        LivenessReason.LIVE: None,
        LivenessReason.TOO_FEW_FRAMES: failure.PICTURE_POOR,
        LivenessReason.PASSIVE_SCORE_LOW: failure.NOT_LIVE,
        LivenessReason.CHALLENGE_MISSING: failure.CHALLENGE_MISSED,
        LivenessReason.CHALLENGE_NOT_PASSED: failure.CHALLENGE_MISSED,
    }
)

_ATTACKS_ON_CHALLENGE = frozenset({ChallengeFailure.ANOTHER_FACE, ChallengeFailure.FACE_JUMPED})
"""What an exchanged face or picture looks like; to the person it is the same as not live."""

_TOLD_APART = frozenset({UnknownReason.NOT_CLEAR, UnknownReason.TOO_MANY_PEOPLE})
"""Reasons that a few digits of the person's number mend."""

INSURANCE_NOTES: Mapping[str, ScanFailure] = MappingProxyType(
    {
        "not_insured": failure.NOT_INSURED,
        "paused": failure.INSURANCE_PAUSED,
        "arrears": failure.ARREARS,
        "not_synchronised": failure.NOT_SYNCHRONISED,
    }
)
"""By ``Standing.insurance_note``. They are said beside the result; the identity stands."""

SHOWN_AS: Mapping[ScanFailure, tuple[str, ...]] = MappingProxyType(
    {
        failure.NO_FACE: ("face.no_face",),
        failure.PICTURE_POOR: ("verification.picture_poor",),
        failure.NOT_LIVE: ("verification.not_live",),
        failure.ACTION_NEEDED: (
            "verification.active_needed",
            "verification.no_document_reader",
            "insurer.enrolment_not_active",
            "insurer.scan_too_weak",
        ),
        failure.NOT_CALLED: ("verification.nobody_called",),
        failure.NOT_ENROLLED: ("gallery.not_enrolled",),
        failure.PHOTO_OLD: ("verification.registry_no_usable_photo",),
        failure.LOOKS_CHANGED: (
            "verification.registry_no_match",
            "insurer.enrolment_not_matched",
        ),
        failure.NAME_OR_NUMBER: (
            "verification.registry_name_number_mismatch",
            "insurer.activation_name_differs",
        ),
        failure.NUMBER_MISTYPED: (
            "core.id_number_invalid",
            "insurer.name_invalid",
            "verification.digits_invalid",
            "insurer.last_digits_invalid",
            "insurer.sample_number",
        ),
        failure.NOT_FOUND: (
            "insurer.person_not_found",
            "verification.person_not_found",
        ),
        failure.REGISTRY_NOT_FOUND: ("verification.registry_not_found",),
        failure.REGISTRY_DOWN: (
            "verification.registry_unavailable",
            "verification.degraded_limit",
        ),
        failure.NOT_INSURED: ("insurer.not_insured",),
        failure.ARREARS: ("insurer.in_arrears",),
        failure.NOT_SYNCHRONISED: ("insurer.not_synchronised",),
        failure.NOT_ACTIVATED: (
            "verification.voucher_not_activated",
            "insurer.voucher_not_activated",
        ),
        failure.DORMANT: ("insurer.voucher_dormant",),
        failure.FROZEN: (
            "verification.voucher_frozen",
            "insurer.voucher_frozen",
            "insurer.frozen_by_insurer",
        ),
        failure.CLOSED: (
            "verification.voucher_closed",
            "insurer.voucher_closed",
        ),
        failure.IN_USE_ELSEWHERE: ("insurer.voucher_in_use_elsewhere",),
        failure.CODE_SPENT: (
            "insurer.code_expired",
            "insurer.code_used",
            "insurer.code_not_found",
        ),
        failure.CONSENT_NEEDED: (
            "verification.consent_missing",
            "insurer.notice_outdated",
            "insurer.consent_not_offered",
        ),
        failure.CONSENT_WITHDRAWN: (
            "insurer.consent_not_in_force",
            "insurer.consent_withdrawn",
        ),
        failure.GUARDIAN_NEEDED: (
            "verification.guardian_missing",
            "insurer.guardian_missing",
            "insurer.guardian_not_proven",
        ),
        failure.RELATION: (
            "verification.relation_not_proven",
            "insurer.family_not_bound",
            "insurer.proxy_not_offered",
        ),
        failure.PIN_WRONG: (
            "insurer.pin_wrong",
            "insurer.pin_malformed",
        ),
        failure.PIN_MISSING: (
            "verification.face_alone",
            "insurer.pin_not_set",
        ),
        failure.PIN_LOCKED: (
            "insurer.pin_locked",
            "insurer.pin_too_new",
            "insurer.pin_paused",
        ),
        failure.NUMBER_PAUSED: ("verification.claim_paused",),
        failure.TERMINAL_PAUSED: ("verification.terminal_paused",),
        failure.OVER_LIMIT: ("terminals.amount_over_limit",),
        failure.PAYMENT_HELD: ("verification.payment_held",),
        failure.TIME_OVER: (
            "verification.session_expired",
            "verification.confirm_too_late",
            "verification.frames_too_many",
        ),
        failure.BEGIN_AGAIN: (
            "verification.session_not_found",
            "verification.session_other_terminal",
            "verification.session_closed",
            "verification.not_verified",
            "verification.proof_already_issued",
            "verification.claim_subject_differs",
            "verification.claim_scene_differs",
            "verification.ticket_wrong",
            "verification.capture_not_opened",
            "verification.capture_lost",
            "verification.amount_over_begun",
        ),
        failure.CONFIRM_AGAIN: (
            "verification.proof_not_found",
            "verification.proof_expired",
            "verification.proof_used_up",
            "verification.proof_other_institution",
            "verification.proof_other_terminal",
            "verification.proof_other_intent",
            "verification.proof_other_scene",
            "verification.proof_other_subject",
            "verification.proof_other_beneficiary",
            "verification.proof_other_relation",
            "verification.proof_amount_exceeded",
            "verification.proof_not_open",
            "verification.proofs_open",
        ),
        failure.DONE_BEFORE: (
            "verification.redemption_differs",
            "verification.intent_redeemed",
        ),
        failure.WAIT: ("verification.session_busy",),
        failure.BUSY: (
            "core.database_busy",
            "gallery.not_ready",
            "terminals.too_many_requests",
            "terminals.signed_before_start",
            "verification.captures_busy",
            "insurer.pin_busy",
        ),
        failure.NETWORK: ("terminals.insurer_unreachable",),
        failure.NO_CAMERA: ("terminals.camera_failed",),
        failure.TERMINAL_OUTDATED: ("terminals.software_outdated",),
        failure.TERMINAL_NOT_CERTIFIED: (
            "terminals.model_expired",
            "terminals.model_withdrawn",
            "terminals.simulated_outside_sandbox",
        ),
        failure.TERMINAL_NOT_FOR_THIS: (
            "terminals.face_not_allowed",
            "terminals.scene_not_allowed",
        ),
        failure.TERMINAL_UNUSABLE: (
            "terminals.heartbeat_stale",
            "terminals.terminal_at_risk",
            "terminals.terminal_pending",
            "terminals.terminal_suspended",
            "terminals.terminal_revoked",
        ),
        failure.INSURER_DOWN: (
            "core.database_unavailable",
            "core.database_closed",
        ),
        failure.NOT_KNOWN: ("core.write_unconfirmed",),
        failure.NUMBER_NEEDED: ("insurer.enrolment_not_claimed",),
    }
)
"""Refusals whose remedy the person can take, or whose reason may be said."""

TECHNICAL: tuple[Technical, ...] = (
    Technical(
        failure.TERMINAL_UNUSABLE,
        "who forges or repeats a terminal's request must not learn which check noticed it, and a"
        " person can only take the next machine",
        (
            "terminals.agent_folder_wrong",
            "verification.capture_end_differs",
            "verification.capture_message_invalid",
            "verification.capture_message_too_early",
            "verification.capture_message_too_large",
            "verification.capture_message_unexpected",
            "verification.frame_chain_broken",
            "verification.frame_out_of_order",
            "verification.frame_too_large",
            "verification.frames_too_fast",
            "terminals.agent_not_enrolled",
            "terminals.body_altered",
            "terminals.insurer_refused",
            "terminals.key_retired",
            "terminals.key_unknown",
            "terminals.network_not_allowed",
            "terminals.nonce_replayed",
            "terminals.place_disagrees",
            "terminals.report_invalid",
            "terminals.signature_future",
            "terminals.signature_malformed",
            "terminals.signature_stale",
            "terminals.signature_wrong",
            "verification.session_nonce_wrong",
        ),
    ),
    Technical(
        failure.PICTURE_POOR,
        "a frame that cannot be read is a fault of the camera or of an attacker; another one comes",
        (
            "face.picture_too_large",
            "face.picture_too_small",
            "face.picture_unreadable",
        ),
    ),
    Technical(
        failure.SYSTEM,
        "weights, calibration, keys, templates or settings are wrong: only technicians can mend it",
        (
            "verification.text_invalid",
            "core.database_foreign",
            "core.database_in_use",
            "core.database_mode_differs",
            "core.database_newer",
            "core.database_side_differs",
            "core.database_url_invalid",
            "core.settings_invalid",
            "face.error_rate_not_proven",
            "face.manifest_invalid",
            "face.not_calibrated",
            "face.weights_altered",
            "face.weights_missing",
            "gallery.embedding_invalid",
            "gallery.full",
            "gallery.path_unknown",
            "gallery.quality_invalid",
            "gallery.template_unknown",
            "gallery.template_unreadable",
            "gallery.too_many_templates",
            "verification.amount_invalid",
            "verification.path_differs",
            "verification.policy_loosened",
            "verification.uses_invalid",
        ),
    ),
    Technical(
        failure.SYSTEM,
        "only staff who register, approve or inspect terminals meet it, never during a scan",
        (
            "terminals.algorithm_not_allowed",
            "terminals.class_differs",
            "terminals.code_expired",
            "terminals.code_locked",
            "terminals.code_used",
            "terminals.code_wrong",
            "terminals.creator_is_approver",
            "terminals.fingerprint_differs",
            "terminals.key_taken",
            "terminals.model_invalid",
            "terminals.model_registered",
            "terminals.model_unknown",
            "terminals.place_invalid",
            "terminals.place_not_found",
            "terminals.place_taken",
            "terminals.possession_unproven",
            "terminals.rotation_unproven",
            "terminals.state_differs",
            "terminals.terminal_not_found",
            "terminals.wrong_side",
        ),
    ),
)
"""Refusals whose words are not for the person in front of the camera."""

ELSEWHERE: tuple[Elsewhere, ...] = (
    Elsewhere(
        "staff search for an unknown patient, or review it",
        (
            "verification.emergency_closed",
            "verification.emergency_expired",
            "verification.emergency_limit",
            "verification.emergency_not_found",
            "verification.emergency_not_here",
            "verification.emergency_not_used",
            "verification.emergency_other_side",
            "verification.emergency_reviewed",
            "verification.emergency_words_invalid",
        ),
    ),
    Elsewhere(
        "a hospital's system tells of appointments and calls; nobody stands at a camera",
        (
            "verification.expected_day_invalid",
            "verification.call_time_invalid",
        ),
    ),
    Elsewhere(
        "the page on which a family is bound, or the window",
        (
            "insurer.family_already_bound",
            "insurer.family_already_proposed",
            "insurer.family_binding_not_found",
            "insurer.family_child_at_window",
            "insurer.family_documents_missing",
            "insurer.family_holder_too_young",
            "insurer.family_holders_full",
            "insurer.family_no_review",
            "insurer.family_not_a_child",
            "insurer.family_not_a_guardian",
            "insurer.family_proof_weak",
            "insurer.family_proposal_differs",
            "insurer.family_proposal_not_found",
            "insurer.family_proposal_over",
            "insurer.family_relatives_full",
            "insurer.family_second_person",
            "insurer.family_with_oneself",
        ),
    ),
    Elsewhere(
        "a clerk and a second person replace a template at a window",
        (
            "insurer.replacement_decided",
            "insurer.replacement_document",
            "insurer.replacement_not_found",
            "insurer.replacement_same_person",
            "insurer.replacement_too_late",
            "insurer.replacement_waiting",
            "insurer.template_exists",
            "insurer.template_missing",
        ),
    ),
    Elsewhere(
        "consent, withdrawal and receipts at a window or on their own page",
        (
            "insurer.clerk_missing",
            "insurer.consent_time_invalid",
            "insurer.document_not_enough",
            "insurer.erasure_unfinished",
            "insurer.insurer_only",
            "insurer.receipt_not_found",
            "insurer.notice_differs",
            "insurer.notice_invalid",
        ),
    ),
    Elsewhere(
        "the page on which a PIN is set or a voucher released",
        (
            "insurer.pin_set_already",
            "insurer.pin_weak",
            "insurer.voucher_not_frozen",
        ),
    ),
    Elsewhere(
        "the software of a channel that activates e-vouchers, outside of our terminals",
        (
            "insurer.channel_exists",
            "insurer.channel_invalid",
            "insurer.channel_not_certified",
            "insurer.channel_request_differs",
            "insurer.channel_under_age",
            "insurer.face_check_invalid",
            "insurer.face_check_stale",
        ),
    ),
    Elsewhere(
        "the insurer's office keeps the register",
        (
            "insurer.already_registered",
            "insurer.list_unreadable",
        ),
    ),
)
"""Refusals that a scan does not meet. Should one arise in a scan, it is told as a fault."""

_OF_CODE: Mapping[str, ScanFailure] = MappingProxyType(
    {code: shown for shown, codes in SHOWN_AS.items() for code in codes}
    | {code: each.shown_as for each in TECHNICAL for code in each.codes}
)


def of_hint(hint: Hint) -> ScanFailure | None:
    """What a hint of the live loop tells; ``None`` for the hint that all is well."""
    return _OF_HINT[hint]


def of_liveness(
    reason: LivenessReason, challenge: ChallengeFailure | None = None
) -> ScanFailure | None:
    """What a decision on liveness tells, without explaining an attack; ``None`` when live."""
    if reason is LivenessReason.CHALLENGE_NOT_PASSED and challenge in _ATTACKS_ON_CHALLENGE:
        return failure.NOT_LIVE
    return _OF_LIVENESS[reason]


def of_unknown(reason: UnknownReason, *, attempts_left: int, claimed: bool = False) -> ScanFailure:
    """What an unknown person is told: try again, tell yourself apart, or take another way.

    Args:
        reason: Why nobody was named.
        attempts_left: In the same session, at least 0.
        claimed: Whether one person was looked for. Without a claim a search that had nobody to
            compare with says nothing about who stands there, so nobody is told to have no face
            set up.
    """
    if reason is UnknownReason.NO_TEMPLATE:
        return failure.NOT_ENROLLED if claimed else failure.NUMBER_ASKED
    if attempts_left < 1:
        return failure.NOT_MATCHED_LAST
    return failure.DIGITS_NEEDED if reason in _TOLD_APART else failure.NOT_MATCHED


def of_verdict(verdict: RegistryVerdict) -> ScanFailure | None:
    """What the police registry's verdict tells; ``None`` for a match.

    ``UNAVAILABLE`` is told only where the degraded mode does not carry what was asked for.
    """
    return _OF_VERDICT[verdict]


def of_voucher(voucher: VoucherStanding) -> ScanFailure | None:
    """What the standing of a voucher tells; ``None`` when it is active."""
    return _OF_VOUCHER[voucher]


def of_insurance(note: str | None) -> ScanFailure | None:
    """What a note on the insurance tells, beside the result; ``None`` when it is in force.

    A note that is not known yet is told as the general one.
    """
    return None if note is None else INSURANCE_NOTES.get(note, failure.NOT_INSURED)


def of_refusal(refused: Refused) -> ScanFailure:
    """What a refusal tells; a code that is listed nowhere is told as a fault of the system."""
    return of_code(refused.kind.code)


def of_code(code: str) -> ScanFailure:
    """What the code of a refusal tells, as :func:`of_refusal`."""
    return _OF_CODE.get(code, failure.SYSTEM)
