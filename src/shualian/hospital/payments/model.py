"""The payment of an encounter's open items as a state machine: the one-scan saga; pure.

``prepared -> sent -> settled | refused | unknown``; ``unknown`` is resolved to ``settled`` or
``refused`` by asking again under the same identifier; ``prepared -> withdrawn`` when another bill
takes its place. ``prepared -> reserved`` keeps the bill under a slip number until one scan or the
slip finishes it, or closing time ends it as ``lapsed``. ``settled -> cancelling -> cancelled``
takes a settlement back. ``settled -> refunding -> settled | cancelled`` gives some of its lines
back: the insurer settles the rest instead, or nothing when nothing is kept. An outcome that is
waited for no more (:func:`is_overdue`, closing time, the person left) is ended instead:
``sent | unknown -> giving_up -> given_up`` reverses it (2601).

Where a part is paid from an e-payment account, ``holding`` stands before ``sent``, and the money
follows the state (:func:`next_step`): held before the insurer is asked, captured once it has
settled, voided or given back when it has not. A saga is *done* or *undone* when nothing is left
to do. Every state is stored before the step that leads on from it.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    TerminalId,
    VisitId,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    INTENT_DIFFERS,
    Amounts,
    Channel,
    Evidence,
    FaceEvidence,
    RefundAnswer,
    SettlementAnswer,
    acted_by,
    check_adds_up,
    check_scene,
    hospital_kind,
)
from shualian.hospital.wallet.model import (
    ENDED_UNTAKEN,
    WALLET_HOLD_ENDED,
    DeclineReason,
    PaymentStatus,
    WalletPayment,
    learnt,
)
from shualian.hospital.wallet.model import PaymentState as WalletState
from shualian.hospital.wallet.model import declined as hold_declined
from shualian.trust.audit.model import Payload
from shualian.verification.model import Scene

SlipNo = NewType("SlipNo", str)
"""Under which a bill waits at the window: 8 characters of Crockford's base 32, 40 random bits."""

SETTLING_SCENES = frozenset((Scene.SETTLEMENT, Scene.DISPENSING))
"""For which scenes a face may settle: at any desk, and where drugs are paid and given at once."""


HOLD_FOR = timedelta(hours=2)
"""How long money is held; then the wallet gives it back by itself. Our own choice."""
SEND_WITHIN = timedelta(minutes=10)
"""How long after its confirmation a bill may be sent first; a proof is good for no longer."""

_SLIP_CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SLIP_LENGTH = 8


class PaymentState(StrEnum):
    """Where a payment stands with the insurer."""

    PREPARED = "prepared"
    """The person is shown who would pay what; nothing was sent that moves money."""
    RESERVED = "reserved"
    """The bill waits at the window under its slip number; nothing was sent."""
    HOLDING = "holding"
    """Stored with its evidence; the e-wallet was asked to hold, or is about to be."""
    SENT = "sent"
    """Stored with its evidence; the insurer was asked or is about to be."""
    UNKNOWN = "unknown"
    """The insurer was asked and it is not known what came of it."""
    SETTLED = "settled"
    CANCELLING = "cancelling"
    """The insurer was asked to take the settlement back, or is about to be."""
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    """The insurer was asked to give lines of it back, or is about to be."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    """Not paid at the window by closing time; nothing was settled."""
    GIVING_UP = "giving_up"
    """The insurer was asked to end the command as never done (2601), or is about to be."""
    GIVEN_UP = "given_up"
    """Ended without waiting for its outcome; the insurer's books have nothing that stands."""


UNDECIDED = frozenset((PaymentState.SENT, PaymentState.UNKNOWN))
"""In which only the insurer knows the outcome."""
UNDER_WAY = UNDECIDED | {
    PaymentState.HOLDING,
    PaymentState.CANCELLING,
    PaymentState.GIVING_UP,
    PaymentState.REFUNDING,
}
"""In which something was asked, or is about to be, and is not answered."""
NOT_SENT = frozenset((PaymentState.PREPARED, PaymentState.RESERVED))
"""In which nothing was asked of anybody; another bill may take its place."""
NOT_SETTLED = frozenset(
    (
        PaymentState.REFUSED,
        PaymentState.CANCELLED,
        PaymentState.WITHDRAWN,
        PaymentState.LAPSED,
        PaymentState.GIVEN_UP,
    )
)
"""The ends in which the insurer has nothing in its books that stands."""
OPEN_AT_WALLET = frozenset((WalletState.REQUESTED, WalletState.HELD))
"""In which the wallet may hold money of the payer."""


class Step(StrEnum):
    """What leads a saga on; each is sent under an identifier that is stored before."""

    HOLD = "hold"
    SETTLE = "settle"
    CAPTURE = "capture"
    VOID = "void"
    CANCEL = "cancel"
    REFUND = "refund"
    REVERSE = "reverse"
    GIVE_BACK = "give_back"
    """The insurer gives lines back and settles the rest."""


@dataclass(frozen=True, slots=True)
class WalletPart:
    """What of a payment comes from an e-payment account.

    Attributes:
        held: The wallet's payment, as far as it told; its payer is kept sealed beside it.
        capture_id: Command of the capture.
        void_id: Command of the void.
        refund_id: Command of the refund.
        back_fen: What of the captured money is to be given back because lines were.
    """

    held: WalletPayment
    capture_id: CommandId
    void_id: CommandId
    refund_id: CommandId
    back_fen: Fen = ZERO

    @property
    def owed_fen(self) -> Fen:
        """What is still to be given back of a settlement that stands."""
        return Fen(max(0, self.back_fen - self.held.refunded_fen))

    @property
    def taken_fen(self) -> Fen:
        """What the hospital has of it: captured less refunded."""
        return self.held.refundable_fen


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
        decided_at: When it was settled, refused, withdrawn, lapsed or given up, UTC.
        settled: What the insurer settled (2207).
        wallet: What of the cash share comes from an e-payment account; none where nothing does.
        slip_no: Under which it waits or waited at the window.
        reserved_at: Since when, UTC.
        cancel_id: Command that takes the settlement back (2208).
        cancelled_at: When it was taken back, UTC.
        cancellation: The insurer's number of that; also of what a reversal undid.
        rest: What the insurer settled instead when lines were given back, the last time.
        refund_id: The refund that is under way.
        acted_by: Who confirmed by their own face, where that is not the patient but a relative.
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
    wallet: WalletPart | None = None
    slip_no: SlipNo | None = None
    reserved_at: datetime | None = None
    cancel_id: CommandId | None = None
    cancelled_at: datetime | None = None
    cancellation: SettlementId | None = None
    rest: SettlementAnswer | None = None
    refund_id: CommandId | None = None
    acted_by: PersonNo | None = None

    @property
    def amount_max_fen(self) -> Fen:
        """The most that the person's confirmation must be good for: the whole bill."""
        return self.confirmed.amounts.medfee_sumamt

    @property
    def resolved(self) -> bool:
        """Whether its outcome was unknown and is known now."""
        open_states = UNDECIDED | {PaymentState.GIVING_UP}
        return self.unknown_since is not None and self.state not in open_states

    @property
    def done(self) -> bool:
        """Whether it is settled, and the account's part is taken or open in cash."""
        owed = self.wallet is not None and self.wallet.owed_fen > 0
        return self.state is PaymentState.SETTLED and not self._wallet_open and not owed

    @property
    def undone(self) -> bool:
        """Whether nothing of it stands: not with the insurer, and nobody's money is kept."""
        kept = self.wallet is not None and self.wallet.taken_fen > 0
        return self.state in NOT_SETTLED and not self._wallet_open and not kept

    @property
    def cash_due_fen(self) -> Fen:
        """What is to be paid in cash: the cash share less what was taken from an account.

        Raises:
            Refused: ``hospital.payment_not_settled``; ``hospital.payment_in_progress`` while it
                is not known what the account gives.
        """
        due = self.answer.amounts.psn_cash_pay
        if not self.done:
            raise Refused(PAYMENT_IN_PROGRESS)
        return due if self.wallet is None else Fen(due - self.wallet.taken_fen)

    @property
    def capture_fen(self) -> Fen:
        """What is to be captured: what was held, but never more than the cash share.

        Raises:
            Refused: ``hospital.payment_not_settled``.
        """
        if self.wallet is None:
            return ZERO
        return Fen(min(self.wallet.held.amount_fen, self.answer.amounts.psn_cash_pay))

    @property
    def _wallet_open(self) -> bool:
        return self.wallet is not None and self.wallet.held.state in OPEN_AT_WALLET

    @property
    def answer(self) -> SettlementAnswer:
        """What the insurer settled.

        Raises:
            Refused: ``hospital.payment_not_settled``.
        """
        if self.state is not PaymentState.SETTLED or self.standing is None:
            raise Refused(PAYMENT_NOT_SETTLED, found=self.state.value)
        return self.standing

    @property
    def standing(self) -> SettlementAnswer | None:
        """The last settlement that the insurer made of it, if any."""
        return self.rest or self.settled


@dataclass(frozen=True, slots=True)
class ItemRefund:
    """Lines of one payment that are given back.

    Attributes:
        command_id: Of the caller; the same on every message about it.
        institution: Whose.
        payment: Command of the payment.
        encounter_no: Of which visit.
        psn_no: Whose benefits.
        items: Which lines.
        kept: What stays of some of them.
        asked_at: UTC.
        state: Where it stands.
        decided_at: When the insurer did or refused it, UTC.
        cancellation: The insurer's number of the cancellation.
        back: Where the money goes back to; none before the insurer has done it.
        undone: What stood before and was cancelled by it; none before the insurer has done it.
        rest: What the insurer settled instead; none before, and where nothing is left.
    """

    command_id: CommandId
    institution: InstitutionCode
    payment: CommandId
    encounter_no: EncounterNo
    psn_no: PersonNo
    items: frozenset[ChargeItemNo]
    asked_at: datetime
    state: "RefundState"
    decided_at: datetime | None = None
    cancellation: SettlementId | None = None
    back: "RefundSources | None" = None
    undone: "Booked | None" = None
    rest: "Booked | None" = None
    kept: tuple["Kept", ...] = ()

    @property
    def instead(self) -> Mapping[ChargeItemNo, ChargeItemNo]:
        """By which line the kept quantity of a line stands from now on."""
        return MappingProxyType({each.of: each.number for each in self.kept})


@dataclass(frozen=True, slots=True)
class Booked:
    """A settlement as it stands in the books for good, also when another took its place.

    Attributes:
        setl_id: The insurer's number of it.
        setl_time: When it was settled, UTC.
        amounts: Who paid what.
    """

    setl_id: SettlementId
    setl_time: datetime
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of a line of which a part is given back.

    Attributes:
        of: Which line.
        number: ``feedetl_sn`` of the line that takes its place.
        cnt: Its quantity.
    """

    of: ChargeItemNo
    number: ChargeItemNo
    cnt: Decimal


class RefundState(StrEnum):
    """Where a refund of lines stands with the insurer."""

    SENT = "sent"
    """Stored; the insurer was asked or is about to be."""
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RefundSources:
    """What a refund gives back, by where it came from; nothing is ever asked for again.

    Attributes:
        fund_fen: To the funds.
        account_fen: To the personal account, at once by the insurer.
        wallet_fen: To the e-payment account, by the saga's next step.
        window_fen: At the window; only what was paid there before.
    """

    fund_fen: Fen
    account_fen: Fen
    wallet_fen: Fen
    window_fen: Fen


class MoneyChange(StrEnum):
    """What was decided about somebody's money."""

    CONFIRMED = "confirmed"
    SETTLED = "settled"
    REFUSED = "refused"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"
    REDUCED = "reduced"
    """Lines were given back and the rest is settled instead."""
    GIVEN_UP = "given_up"
    WALLET_HELD = "wallet_held"
    WALLET_CAPTURED = "wallet_captured"
    WALLET_RELEASED = "wallet_released"
    """Voided or run out: the payer has the money back that was held."""
    WALLET_REFUNDED = "wallet_refunded"


class MoneyDecided(Payload, kind="hospital.payment"):
    """The audit's record of a decision on a payment's money; amounts in fen, never negative.

    Attributes:
        change: What was decided.
        payment: Command of the payment.
        institution: Where.
        subject: Whose benefits.
        setl_id: The insurer's number of the settlement, once there is one.
        cancellation: Its number of what undid that.
        bill_fen: The whole bill.
        fund_fen: Of the funds.
        account_fen: From the personal account.
        cash_fen: The cash share.
        wallet_fen: What of it the e-wallet held, took or gave back with this change.
        evidence: By what the person confirmed.
        terminal: Where, of a face.
    """

    change: MoneyChange
    payment: CommandId
    institution: InstitutionCode
    subject: PersonNo
    setl_id: SettlementId | None
    cancellation: SettlementId | None
    bill_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    cash_fen: Fen
    wallet_fen: Fen
    evidence: Channel | None
    terminal: TerminalId | None


_STATE_CHANGES = {
    PaymentState.SENT: MoneyChange.CONFIRMED,
    PaymentState.HOLDING: MoneyChange.CONFIRMED,
    PaymentState.SETTLED: MoneyChange.SETTLED,
    PaymentState.REFUSED: MoneyChange.REFUSED,
    PaymentState.LAPSED: MoneyChange.LAPSED,
    PaymentState.CANCELLED: MoneyChange.CANCELLED,
    PaymentState.GIVEN_UP: MoneyChange.GIVEN_UP,
}
_CAME_BACK = frozenset((PaymentState.HOLDING, PaymentState.CANCELLING))
"""From which a payment moves on to a state whose decision is in the audit already."""


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
PAYMENT_CANCELLED = hospital_kind(
    "payment_cancelled",
    "这笔结算已经撤销",
    "This settlement was cancelled",
    "要付款请重新预结算",
    "Prepare the settlement again to pay",
)
PAYMENT_LAPSED = hospital_kind(
    "payment_lapsed",
    "这张缴费单过了时间，已经作废，没有扣钱",
    "This slip was not paid by closing time; nothing was settled",
    "请重新预结算",
    "Prepare the settlement again",
)
PAYMENT_GIVEN_UP = hospital_kind(
    "payment_given_up",
    "这笔结算没等到结果，已经撤回，没有扣钱",
    "The outcome of this payment was not waited for; it was taken back and nothing was paid",
    "要付款请重新预结算",
    "Prepare the settlement again to pay",
)
PAYMENT_CASH_TAKEN = hospital_kind(
    "payment_cash_taken",
    "这笔费用收过现金，不能在这里撤销",
    "Cash was taken for this payment; it cannot be cancelled here",
    "请到收费窗口办理退费",
    "Give the money back at the cashier's window",
)
SLIP_NOT_FOUND = hospital_kind(
    "slip_not_found",
    "没有这张缴费单",
    "There is no slip with this number",
    "请核对单上的号码",
    "Check the number on the slip",
)
WALLET_SHARE_INVALID = hospital_kind(
    "wallet_share_invalid",
    "从授权账户付的钱不能多于应付的现金",
    "No more than the cash share can come from the account",
    "请重新确认付款金额",
    "Confirm the amount again",
)
REFUND_ITEMS_INVALID = hospital_kind(
    "refund_items_invalid",
    "要退的项目不在这笔结算里，或者已经退过",
    "What is to be given back is not on this payment, or was given back already",
    "请核对要退的项目",
    "Check what is to be given back",
)

REFUSALS = (
    REFUND_ITEMS_INVALID,
    PAYMENT_CANCELLED,
    PAYMENT_LAPSED,
    PAYMENT_GIVEN_UP,
    PAYMENT_CASH_TAKEN,
    SLIP_NOT_FOUND,
    WALLET_SHARE_INVALID,
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


def new_slip_no() -> SlipNo:
    """A new slip number: 40 random bits, so that nobody guesses another person's."""
    return SlipNo("".join(secrets.choice(_SLIP_CHARACTERS) for _ in range(_SLIP_LENGTH)))


def parse_slip_no(text: str) -> SlipNo:
    """A slip number as somebody reads it from paper; O is 0, I and L are 1.

    Raises:
        Refused: ``hospital.slip_not_found``.
    """
    read = text.upper().translate(str.maketrans("OIL", "011", " -"))
    if len(read) != _SLIP_LENGTH or not set(read) <= set(_SLIP_CHARACTERS):
        raise Refused(SLIP_NOT_FOUND)
    return SlipNo(read)


def printed_slip_no(slip_no: SlipNo) -> str:
    """As it stands on paper: ``7K3M-09XQ``."""
    return f"{slip_no[:4]}-{slip_no[4:]}"


def check_wallet_share(payment: Payment, *, from_wallet_fen: Fen) -> None:
    """Check what a person lets be taken from the account: at most the cash share.

    Raises:
        Refused: ``hospital.wallet_share_invalid``.
    """
    due = payment.confirmed.amounts.psn_cash_pay
    if not 0 <= from_wallet_fen <= due:
        raise Refused(WALLET_SHARE_INVALID, found_fen=from_wallet_fen, limit_fen=due)


def reserved(payment: Payment, slip_no: SlipNo, *, now: datetime) -> Payment:
    """The payment once it waits at the window.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.PREPARED)
    return replace(payment, state=PaymentState.RESERVED, slip_no=slip_no, reserved_at=now)


def lapsed(payment: Payment, *, now: datetime) -> Payment:
    """The payment once closing time has come and nobody paid.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.RESERVED)
    return replace(payment, state=PaymentState.LAPSED, decided_at=now)


def sent(payment: Payment, evidence: Evidence, *, now: datetime) -> Payment:
    """The payment once the person has confirmed it and nothing comes from an account.

    Raises:
        Refused: ``hospital.payment_step``, ``scene_not_allowed``, ``intent_differs``.
    """
    return _confirmed(payment, evidence, PaymentState.SENT, now)


def holding(payment: Payment, evidence: Evidence, part: WalletPart, *, now: datetime) -> Payment:
    """The payment once the person has confirmed it with a part from an account.

    Raises:
        Refused: ``hospital.payment_step``, ``scene_not_allowed``, ``intent_differs``.
    """
    return replace(_confirmed(payment, evidence, PaymentState.HOLDING, now), wallet=part)


def moved_on(payment: Payment, part: WalletPart, *, now: datetime) -> Payment:
    """The payment after a word of the wallet, in the same transaction.

    A hold that is good lets the insurer be asked, within :data:`SEND_WITHIN`; one that has ended
    before ends the saga. Elsewhere the insurer's word decides and the wallet's changes its part
    only.
    """
    after = replace(payment, wallet=part)
    if payment.state is not PaymentState.HOLDING:
        return after
    if part.held.state not in OPEN_AT_WALLET:
        return replace(after, state=PaymentState.REFUSED, decided_at=now)
    if part.held.state is WalletState.HELD and _may_be_sent(payment, now):
        return replace(after, state=PaymentState.SENT)
    return after


def hold_refusal(part: WalletPart) -> Refused:
    """Why a saga ended at its hold."""
    reason = part.held.declined
    return Refused(WALLET_HOLD_ENDED if reason is None else reason.kind)


def told(part: WalletPart, status: PaymentStatus) -> WalletPart:
    """The account's part after a word of the wallet (:func:`learnt`).

    Raises:
        Refused: ``hospital.wallet_answer_invalid``.
    """
    return replace(part, held=learnt(part.held, status))


def not_held(part: WalletPart, reason: DeclineReason) -> WalletPart:
    """The account's part after its hold was declined.

    Raises:
        Refused: ``hospital.wallet_answer_invalid``.
    """
    return replace(part, held=hold_declined(part.held, reason))


def renamed(part: WalletPart, step: Step, new_id: CommandId) -> WalletPart:
    """The part with another identifier for a step whose last one was declined for good."""
    match step:
        case Step.CAPTURE:
            return replace(part, capture_id=new_id)
        case Step.VOID:
            return replace(part, void_id=new_id)
        case Step.REFUND:
            return replace(part, refund_id=new_id)
        case _:
            return part


def next_step(payment: Payment, *, now: datetime) -> Step | None:
    """What is left to do; none when the payment is done, undone or not confirmed."""
    if payment.state is PaymentState.GIVING_UP or is_overdue(payment, now=now):
        return Step.REVERSE
    if payment.state in UNDECIDED:
        return Step.SETTLE
    if payment.state is PaymentState.CANCELLING:
        return Step.CANCEL
    if payment.state is PaymentState.REFUNDING:
        return Step.GIVE_BACK
    return None if payment.wallet is None else _wallet_step(payment, payment.wallet.held, now)


def is_overdue(payment: Payment, *, now: datetime) -> bool:
    """Whether an outcome is waited for no more, because no money is held for it any longer.

    Asking again would settle a bill for a person who has left and whose money was given back.
    """
    if payment.state not in UNDECIDED or payment.sent_at is None:
        return False
    ended = payment.wallet is not None and payment.wallet.held.state not in OPEN_AT_WALLET
    return ended or now >= payment.sent_at + HOLD_FOR


def _wallet_step(payment: Payment, held: WalletPayment, now: datetime) -> Step | None:
    if payment.state is PaymentState.HOLDING:
        asks = held.state is WalletState.REQUESTED and _may_be_sent(payment, now)
        return Step.HOLD if asks else Step.VOID
    if held.state not in OPEN_AT_WALLET:
        is_kept = held.state is WalletState.CAPTURED and payment.state in NOT_SETTLED
        return Step.REFUND if is_kept or _owes(payment) else None
    # What was not known to be held was given up before: the insurer's answer came after a refusal.
    takes = payment.state is PaymentState.SETTLED and held.state is WalletState.HELD
    return Step.CAPTURE if takes and payment.capture_fen > 0 else Step.VOID


def _owes(payment: Payment) -> bool:
    """Whether lines were given back and their money in the account was not yet."""
    stands = payment.state is PaymentState.SETTLED
    return stands and payment.wallet is not None and payment.wallet.owed_fen > 0


def refund_amount(payment: Payment) -> Fen:
    """What the wallet is to give back now: what is owed, or all when nothing is settled."""
    if payment.wallet is None:
        return ZERO
    return payment.wallet.owed_fen if _owes(payment) else payment.wallet.taken_fen


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


def giving_up(payment: Payment, *, now: datetime) -> Payment:
    """The payment once its outcome is waited for no more.

    While the wallet is asked to hold, nothing has gone to the insurer, so that it ends at once.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, *UNDECIDED, PaymentState.HOLDING)
    if payment.state is PaymentState.HOLDING:
        return replace(payment, state=PaymentState.GIVEN_UP, decided_at=now)
    return replace(payment, state=PaymentState.GIVING_UP)


def given_up(payment: Payment, cancellation: SettlementId | None, *, now: datetime) -> Payment:
    """The payment once the insurer has ended its command as never done.

    Args:
        payment: That is given up.
        cancellation: The insurer's number of what undid it; none when it was never done.
        now: UTC.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.GIVING_UP)
    after = replace(payment, state=PaymentState.GIVEN_UP, decided_at=now)
    if cancellation is None:
        return after
    return replace(after, cancellation=cancellation, cancelled_at=now)


def not_given_up(payment: Payment, *, now: datetime) -> Payment:
    """The payment once the insurer has refused to end its command: its outcome counts again.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.GIVING_UP)
    since = payment.unknown_since or now
    return replace(payment, state=PaymentState.UNKNOWN, unknown_since=since)


def withdrawn(payment: Payment, *, now: datetime) -> Payment:
    """The payment once another bill takes its place; only before anything was sent.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, *NOT_SENT)
    return replace(payment, state=PaymentState.WITHDRAWN, decided_at=now)


def refunding(payment: Payment, refund_id: CommandId) -> Payment:
    """The payment once lines of it are to be given back; only when nothing else is left to do.

    Raises:
        Refused: ``hospital.payment_step``, ``hospital.payment_in_progress``.
    """
    _check_state(payment, PaymentState.SETTLED)
    if not payment.done:
        raise Refused(PAYMENT_IN_PROGRESS)
    return replace(payment, state=PaymentState.REFUNDING, refund_id=refund_id)


def refund_sources(
    payment: Payment, rest: SettlementAnswer | None, *, at_window: Fen
) -> RefundSources:
    """Where the money of a refund goes back to.

    Of the cash share the e-payment account gets back first, as far as it gave; the window gives
    back the other part, as far as money that was taken there is left. What was waived is none.

    Args:
        payment: As it stands.
        rest: What the insurer settled instead.
        at_window: What was taken at the window and did not go back yet.

    Raises:
        Refused: ``hospital.answer_invalid`` when the rest costs anybody more than before.
    """
    before = Amounts(ZERO) if payment.standing is None else payment.standing.amounts
    after = Amounts(ZERO) if rest is None else rest.amounts
    fund = Fen(before.fund_pay_sumamt - after.fund_pay_sumamt)
    account = Fen(before.acct_pay - after.acct_pay)
    back = Fen(before.psn_cash_pay - after.psn_cash_pay)
    if min(account, back) < 0:
        raise Refused(ANSWER_INVALID, broken="a refund that costs the person more")
    wallet = ZERO if payment.wallet is None else Fen(min(back, payment.wallet.taken_fen))
    return RefundSources(fund, account, wallet, Fen(min(back - wallet, at_window)))


def given_back(
    payment: Payment, answer: RefundAnswer, back: RefundSources, wallet_id: CommandId, now: datetime
) -> Payment:
    """The payment once the insurer has given lines back.

    Args:
        payment: As it was asked.
        answer: Of the insurer.
        back: Where the money goes.
        wallet_id: Command under which the account gets its part.
        now: UTC.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.REFUNDING)
    part = payment.wallet
    if part is not None:
        owed = Fen(part.held.refunded_fen + back.wallet_fen)
        part = replace(part, back_fen=owed, refund_id=wallet_id)
    after = replace(payment, wallet=part, refund_id=None)
    if answer.rest is not None:
        return replace(after, state=PaymentState.SETTLED, rest=answer.rest)
    return replace(
        after,
        state=PaymentState.CANCELLED,
        cancellation=answer.cancellation,
        cancelled_at=now,
    )


def booked(answer: SettlementAnswer | None) -> Booked | None:
    """What of a settlement is kept in the books; none of a trial."""
    if answer is None or answer.setl_id is None:
        return None
    return Booked(answer.setl_id, answer.setl_time, answer.amounts)


def not_given_back(payment: Payment) -> Payment:
    """The payment once the insurer has refused to give lines back: it stands as it was.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.REFUNDING)
    return replace(payment, state=PaymentState.SETTLED, refund_id=None)


def check_same_refund(
    found: ItemRefund,
    *,
    payment: CommandId,
    items: Collection[ChargeItemNo],
    keep: Mapping[ChargeItemNo, Decimal],
) -> None:
    """Check that a repeated command gives back what it gave back the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    kept = {each.of: each.cnt for each in found.kept}
    if (found.payment, found.items, kept) != (payment, frozenset(items), dict(keep)):
        raise Refused(COMMAND_DIFFERS)


def check_refundable(
    items: Collection[ChargeItemNo],
    *,
    keep: Collection[ChargeItemNo],
    on_bill: Collection[ChargeItemNo],
) -> None:
    """Check that lines stand on the bill from which they, or parts of them, are given back.

    Raises:
        Refused: ``hospital.refund_items_invalid``.
    """
    if not items or not set(keep) <= set(items) <= set(on_bill):
        raise Refused(REFUND_ITEMS_INVALID, lines=len(items))


def cancelling(payment: Payment, cancel_id: CommandId) -> Payment:
    """The payment once its settlement is to be taken back.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.SETTLED)
    if payment.wallet is not None and payment.wallet.owed_fen:
        raise Refused(PAYMENT_IN_PROGRESS)
    return replace(payment, state=PaymentState.CANCELLING, cancel_id=cancel_id)


def cancelled(payment: Payment, cancellation: SettlementId, *, now: datetime) -> Payment:
    """The payment once the insurer has taken its settlement back.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.CANCELLING)
    return replace(
        payment, state=PaymentState.CANCELLED, cancellation=cancellation, cancelled_at=now
    )


def not_cancelled(payment: Payment) -> Payment:
    """The payment once the insurer has refused to take its settlement back.

    Raises:
        Refused: ``hospital.payment_step``.
    """
    _check_state(payment, PaymentState.CANCELLING)
    return replace(payment, state=PaymentState.SETTLED, cancel_id=None)


def _confirmed(payment: Payment, evidence: Evidence, state: PaymentState, now: datetime) -> Payment:
    _check_state(payment, *NOT_SENT)
    # The person confirmed one bill; it pays for no other.
    if evidence.intent_id != payment.intent_id:
        raise Refused(INTENT_DIFFERS)
    after = replace(payment, state=state, channel=evidence.channel, sent_at=now)
    if not isinstance(evidence, FaceEvidence):
        return after
    check_scene(evidence, SETTLING_SCENES)
    return replace(
        after,
        terminal_id=evidence.terminal_id,
        first_frame_at=evidence.first_frame_at,
        acted_by=acted_by(evidence),
    )


def _may_be_sent(payment: Payment, now: datetime) -> bool:
    return payment.sent_at is not None and now < payment.sent_at + SEND_WITHIN


def _check_state(payment: Payment, *expected: PaymentState) -> None:
    if payment.state not in expected:
        raise Refused(PAYMENT_STEP, found=payment.state.value, expected=",".join(sorted(expected)))


def decisions(before: Payment, after: Payment) -> tuple[MoneyDecided, ...]:
    """What a change of a payment decides about money, for the audit; most changes decide once."""
    found: list[MoneyDecided] = []
    change = _STATE_CHANGES.get(after.state)
    if before.state is PaymentState.REFUNDING and after.state is PaymentState.SETTLED:
        change = None if after.rest == before.rest else MoneyChange.REDUCED
    came_back = before.state in _CAME_BACK and change in {
        MoneyChange.CONFIRMED,
        MoneyChange.SETTLED,
    }
    if change is not None and before.state is not after.state and not came_back:
        found.append(_decided(after, change, ZERO))
    if after.wallet is not None:
        held = before.wallet.held if before.wallet is not None else after.wallet.held
        found += [_decided(after, *each) for each in _moved(held, after.wallet.held)]
    return tuple(found)


def _moved(before: WalletPayment, after: WalletPayment) -> list[tuple[MoneyChange, Fen]]:
    """What the wallet did between two of its words; words may have been missed."""
    moves: list[tuple[MoneyChange, Fen]] = []
    if after.captured_fen > before.captured_fen:
        taken = Fen(after.captured_fen - before.captured_fen)
        moves.append((MoneyChange.WALLET_CAPTURED, taken))
    if after.refunded_fen > before.refunded_fen:
        given = Fen(after.refunded_fen - before.refunded_fen)
        moves.append((MoneyChange.WALLET_REFUNDED, given))
    if before.state is WalletState.HELD and after.state in ENDED_UNTAKEN:
        moves.append((MoneyChange.WALLET_RELEASED, after.amount_fen))
    if before.state is not WalletState.HELD and after.state is WalletState.HELD:
        moves.append((MoneyChange.WALLET_HELD, after.amount_fen))
    return moves


def _decided(payment: Payment, change: MoneyChange, wallet_fen: Fen) -> MoneyDecided:
    answer = payment.standing or payment.confirmed
    amounts = answer.amounts
    return MoneyDecided(
        change=change,
        payment=payment.command_id,
        institution=payment.institution,
        subject=payment.psn_no,
        setl_id=answer.setl_id,
        cancellation=payment.cancellation,
        bill_fen=amounts.medfee_sumamt,
        fund_fen=amounts.fund_pay_sumamt,
        account_fen=Fen(amounts.acct_pay + amounts.acct_mulaid_pay),
        cash_fen=amounts.psn_cash_pay,
        wallet_fen=wallet_fen,
        evidence=payment.channel,
        terminal=payment.terminal_id,
    )
