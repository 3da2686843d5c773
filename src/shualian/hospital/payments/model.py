"""The settlement of an encounter's open items as a state machine.

``prepared -> sent -> settled | refused | unknown``; ``unknown`` is resolved to ``settled`` or
``refused`` by asking again under the same identifier; ``prepared -> withdrawn`` when another bill
takes its place. Every state is stored before the step that leads on from it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    TerminalId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    INTENT_DIFFERS,
    Amounts,
    Channel,
    FaceEvidence,
    SettlementAnswer,
    check_adds_up,
    check_scene,
    hospital_kind,
)
from shualian.verification.model import Scene

SETTLING_SCENES = frozenset((Scene.SETTLEMENT, Scene.DISPENSING))
"""For which scenes a face may settle: at any desk, and where drugs are paid and given at once."""


class PaymentState(StrEnum):
    """Where a payment stands."""

    PREPARED = "prepared"
    """The person is shown who would pay what; nothing was sent that moves money."""
    SENT = "sent"
    """Stored with its evidence; the insurer was asked or is about to be."""
    UNKNOWN = "unknown"
    """The insurer was asked and it is not known what came of it."""
    SETTLED = "settled"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


UNDECIDED = frozenset((PaymentState.SENT, PaymentState.UNKNOWN))
"""In which only the insurer knows the outcome."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One settlement of one batch of an encounter.

    Attributes:
        command_id: Of the caller; the same on every message about it.
        institution: Whose.
        encounter_no: Of which visit.
        psn_no: Whose benefits.
        mdtrt_id: The insurer's number of the visit.
        chrg_bchno: What is settled.
        acct_used_flag: Whether the personal account may be used.
        intent_id: What the person is asked to confirm; a proof must be for exactly this.
        prepared_at: UTC.
        confirmed: What the person was shown (2206).
        state: Where it stands.
        channel: By what the person confirmed, once sent.
        terminal_id: Where the person confirmed, once sent.
        first_frame_at: Of that capture, UTC, once sent.
        sent_at: UTC, once sent.
        unknown_since: UTC; stays when the outcome is found out later.
        decided_at: When it was settled, refused or withdrawn, UTC.
        settled: What the insurer settled (2207).
    """

    command_id: CommandId
    institution: InstitutionCode
    encounter_no: EncounterNo
    psn_no: PersonNo
    mdtrt_id: VisitId
    chrg_bchno: str
    acct_used_flag: bool
    intent_id: IntentId
    prepared_at: datetime
    confirmed: SettlementAnswer
    state: PaymentState = PaymentState.PREPARED
    channel: Channel | None = None
    terminal_id: TerminalId | None = None
    first_frame_at: datetime | None = None
    sent_at: datetime | None = None
    unknown_since: datetime | None = None
    decided_at: datetime | None = None
    settled: SettlementAnswer | None = None

    @property
    def amount_max_fen(self) -> Fen:
        """The most that the person's confirmation must be good for: the whole bill."""
        return self.confirmed.amounts.medfee_sumamt

    @property
    def resolved(self) -> bool:
        """Whether its outcome was unknown and is known now."""
        return self.unknown_since is not None and self.state not in UNDECIDED

    @property
    def answer(self) -> SettlementAnswer:
        """What the insurer settled.

        Raises:
            Refused: ``hospital.payment_not_settled``.
        """
        if self.state is not PaymentState.SETTLED or self.settled is None:
            raise Refused(PAYMENT_NOT_SETTLED, found=self.state.value)
        return self.settled


PAYMENT_NOT_FOUND = hospital_kind(
    "payment_not_found",
    "没有这笔结算",
    "There is no such payment",
    "请先预结算",
    "Prepare it first",
)
PAYMENT_IN_PROGRESS = hospital_kind(
    "payment_in_progress",
    "这次就诊有一笔结算还没有结果",
    "A settlement of this encounter has no outcome yet",
    "请稍等，等那一笔有结果再办",
    "Wait until that one is decided",
    finality=Finality.TEMPORARY,
)
PAYMENT_WITHDRAWN = hospital_kind(
    "payment_withdrawn",
    "这张账单已经作废",
    "This bill was withdrawn",
    "请按新的账单办理",
    "Go on with the new bill",
)
PAYMENT_NOT_SETTLED = hospital_kind(
    "payment_not_settled",
    "这笔费用还没有结算",
    "The payment is not settled",
    "请先结算",
    "Settle it first",
)
PAYMENT_STEP = hospital_kind(
    "payment_step",
    "这笔结算现在不能做这一步",
    "The payment cannot take this step now",
    "请看结算状态再办理",
    "Look at the state of the payment first",
)
NOTHING_TO_SETTLE = hospital_kind(
    "nothing_to_settle",
    "没有待结算的费用",
    "There is nothing left to settle",
    "不用付钱",
    "Nothing is to be paid",
)
CHARGES_NOT_UPLOADED = hospital_kind(
    "charges_not_uploaded",
    "还有费用没有上传医保",
    "Some charge items are not uploaded",
    "请先上传费用明细",
    "Upload the charge items first",
    finality=Finality.TEMPORARY,
)
BILL_CHANGED = hospital_kind(
    "bill_changed",
    "账单刚刚变了",
    "The bill has just changed",
    "请重新预结算",
    "Prepare the settlement again",
    Helper.SELF,
    Finality.TEMPORARY,
)

REFUSALS = (
    PAYMENT_NOT_FOUND,
    PAYMENT_IN_PROGRESS,
    PAYMENT_WITHDRAWN,
    PAYMENT_NOT_SETTLED,
    PAYMENT_STEP,
    NOTHING_TO_SETTLE,
    CHARGES_NOT_UPLOADED,
    BILL_CHANGED,
)


def check_same_bill(found: Payment, *, encounter_no: EncounterNo, acct_used_flag: bool) -> None:
    """Check that a repeated command prepares what it prepared the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.encounter_no, found.acct_used_flag) != (encounter_no, acct_used_flag):
        raise Refused(COMMAND_DIFFERS)


def check_quote(amounts: Amounts, *, expected_fen: Fen) -> None:
    """Check a pre-settlement before it is shown to anybody.

    Raises:
        Refused: ``hospital.answer_invalid``.
    """
    check_adds_up(amounts)
    if amounts.medfee_sumamt != expected_fen:
        raise Refused(ANSWER_INVALID, found_fen=amounts.medfee_sumamt, expected_fen=expected_fen)


def sent(payment: Payment, evidence: FaceEvidence, *, now: datetime) -> Payment:
    """The payment once the person has confirmed it.

    Raises:
        Refused: ``hospital.payment_step``, ``scene_not_allowed``, ``intent_differs``.
    """
    _check_state(payment, PaymentState.PREPARED)
    check_scene(evidence, SETTLING_SCENES)
    # The person confirmed one bill; it pays for no other.
    if evidence.intent_id != payment.intent_id:
        raise Refused(INTENT_DIFFERS)
    return replace(
        payment,
        state=PaymentState.SENT,
        channel=evidence.channel,
        terminal_id=evidence.terminal_id,
        first_frame_at=evidence.first_frame_at,
        sent_at=now,
    )


def unknown(payment: Payment, *, now: datetime) -> Payment:
    """The payment when the insurer did not say what came of it.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, *UNDECIDED)
    since = payment.unknown_since or now
    return replace(payment, state=PaymentState.UNKNOWN, unknown_since=since)


def settled(payment: Payment, answer: SettlementAnswer, *, now: datetime) -> Payment:
    """The payment once the insurer has settled it.

    An answer outweighs an earlier refusal: a copy of the command that was under way for long may
    arrive after another copy was refused, and then the insurer's books have a settlement.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, *UNDECIDED, PaymentState.REFUSED)
    return replace(payment, state=PaymentState.SETTLED, settled=answer, decided_at=now)


def refused(payment: Payment, *, now: datetime) -> Payment:
    """The payment once the insurer has refused it.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, *UNDECIDED)
    return replace(payment, state=PaymentState.REFUSED, decided_at=now)


def withdrawn(payment: Payment, *, now: datetime) -> Payment:
    """The payment once another bill takes its place; only before anything was sent.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.PREPARED)
    return replace(payment, state=PaymentState.WITHDRAWN, decided_at=now)


def _check_state(payment: Payment, *expected: PaymentState) -> None:
    if payment.state not in expected:
        raise Refused(PAYMENT_STEP, found=payment.state.value, expected=",".join(sorted(expected)))
