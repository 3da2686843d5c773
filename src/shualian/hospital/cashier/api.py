"""The windows over HTTP: look up, settle, take, give back, shifts, overrides, closing, receipts.

For signed-in staff only. What identifies a person travels in bodies, never in addresses; numbers
of ours (encounters, payments, slips) may stand there.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, EncounterNo, RecordNo, StaffId
from shualian.core.money import Fen
from shualian.hospital.api import Body
from shualian.hospital.cashier.closing.model import Closing, Difference, HospitalDay, Totals
from shualian.hospital.cashier.closing.service import DayReport
from shualian.hospital.cashier.model import Receipt
from shualian.hospital.cashier.overrides.model import (
    TEXT_CHARACTERS_MAX,
    Override,
    OverrideId,
    OverrideKind,
    OverrideState,
    ReasonCode,
)
from shualian.hospital.cashier.refunds.model import RefundDue, RefundId, RefundState
from shualian.hospital.cashier.refunds.service import Cancelled
from shualian.hospital.cashier.service import CashierServices
from shualian.hospital.cashier.shifts.model import (
    DifferenceReason,
    DrawerNo,
    Shift,
    ShiftId,
    ShiftState,
)
from shualian.hospital.cashier.shifts.service import ShiftView
from shualian.hospital.cashier.tenders.model import Offer, Taking, TenderKind
from shualian.hospital.cashier.window.model import OpenItems, PaymentView
from shualian.hospital.cashier.wording import render_receipt
from shualian.hospital.evidence_body import (
    EvidenceAtWindow,
    HandedOver,
    evidence_at_window,
    no_desk,
)
from shualian.hospital.model import Amounts, Channel, Label
from shualian.hospital.orders.model import BatchState, ChargeItem
from shualian.hospital.payments.model import Payment, PaymentState, printed_slip_no
from shualian.hospital.payments.service import Payments
from shualian.staff.model import Caller, Role, check_role

PREFIX = "/hospital/v1/cashier"
SERVING = frozenset((Role.CLERK, Role.ADMINISTRATOR))
"""Who serves at a window."""
CLOSING = frozenset((Role.ADMINISTRATOR,))

_Command = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]
_Slip = Annotated[str, Path(pattern=r"^[0-9A-Za-z -]{8,12}$")]
_Drawer = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,10}$")]
_Money = Annotated[int, Field(ge=0, le=1_000_000_000)]
_Reference = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{0,40}$")]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
_Count = Annotated[dict[int, Annotated[int, Field(ge=0)]], Field(max_length=20)]


class Language(StrEnum):
    """In which the receipt's lines are."""

    ZH = "zh"
    EN = "en"


class LookUpBody(Body):
    """Whose open items: by what the person shows."""

    evidence: EvidenceAtWindow


class PrepareBody(Body):
    """Show who would pay what."""

    command_id: _Command
    encounter_no: _Number
    acct_used_flag: bool = True


class SettleBody(Body):
    """Settle what was shown, on the person's evidence."""

    evidence: EvidenceAtWindow
    from_wallet_fen: _Money = 0
    override_id: _Command | None = None


class TenderBody(Body):
    """One tender as it was given."""

    kind: TenderKind
    given_fen: _Money
    reference: _Reference = ""


class TakeBody(Body):
    """What a person gives for the cash share."""

    command_id: _Command
    tenders: list[TenderBody] = Field(min_length=1, max_length=10)


class CancelBody(Body):
    """Take a settlement back."""

    override_id: _Command | None = None


class CommandBody(Body):
    """A command of its own."""

    command_id: _Command


class GivenBody(Body):
    """Under which number the terminal gave it back."""

    reference: _Reference


class DivertBody(Body):
    """Another way back, which two people have agreed to."""

    way: TenderKind
    override_id: _Command


class OpenShiftBody(Body):
    """Open a shift with what was counted: pieces by denomination in fen."""

    command_id: _Command
    drawer: _Drawer
    count: _Count


class HandOverBody(Body):
    """What was counted at the end, and what stays in the drawer."""

    count: _Count
    left_fen: _Money
    reason: DifferenceReason = DifferenceReason.NONE


class ProposeBody(Body):
    """Turn the first key."""

    command_id: _Command
    kind: OverrideKind
    payment: _Command
    amount_fen: _Money = 0
    reason: ReasonCode
    text: _Text


class DecideBody(Body):
    """Turn the second key, or do not."""

    approves: bool


class CloseBody(Body):
    """Close a day; differences are accepted with a reason only."""

    command_id: _Command
    reason: Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS_MAX)] = ""


class AmountsAnswer(Body):
    """Who pays what, in fen, by the national names."""

    medfee_sumamt: int
    fulamt_ownpay_amt: int
    overlmt_selfpay: int
    preselfpay_amt: int
    act_pay_dedc: int
    fund_pay_sumamt: int
    by_fund: Mapping[str, int]
    acct_pay: int
    acct_mulaid_pay: int
    psn_cash_pay: int
    hosp_part_amt: int
    balc: int


class PaymentAnswer(Body):
    """A payment as a window shows it; the person confirms ``intent_id`` for ``amount_max_fen``."""

    payment: str
    encounter_no: str
    state: PaymentState
    intent_id: str
    amount_max_fen: int
    slip_no: str | None
    channel: Channel | None
    amounts: AmountsAnswer
    from_wallet_fen: int


class TenderAnswer(Body):
    """What one tender paid."""

    kind: TenderKind
    amount_fen: int
    tendered_fen: int
    reference: str


class TakingAnswer(Body):
    """What was taken for a payment."""

    command_id: str
    payment: str
    due_fen: int
    change_fen: int
    tenders: list[TenderAnswer]
    taken_at: datetime


class RefundAnswer(Body):
    """A part that is or was due back."""

    refund_id: str
    payment: str
    source: TenderKind
    way: TenderKind
    amount_fen: int
    state: RefundState
    reference: str
    given_at: datetime | None


class CancelAnswer(Body):
    """A settlement that was taken back, with what is due back at the window."""

    payment: PaymentAnswer
    refunds: list[RefundAnswer]


class LineAnswer(Body):
    """One line of a bill; ``self_paid_fen`` is outside the insurance, ``upfront_fen`` paid first.

    Both are none before the insurer has classed the line.
    """

    feedetl_sn: str
    name_zh: str
    name_en: str
    count: Decimal
    amount_fen: int
    doctor: str
    self_paid_fen: int | None
    upfront_fen: int | None


class BatchAnswer(Body):
    """Charge items that are not settled."""

    chrg_bchno: str
    state: BatchState
    items: int
    amount_fen: int
    uploaded: bool
    lines: list[LineAnswer]


class StandingAnswer(Body):
    """A payment with what is to be taken now."""

    payment: PaymentAnswer
    due_fen: int
    taking: TakingAnswer | None
    refunds: list[RefundAnswer]


class OpenItemsAnswer(Body):
    """What is open of one encounter."""

    encounter_no: str
    masked_name: str
    dept_name: str
    dept_name_en: str
    batches: list[BatchAnswer]
    payments: list[StandingAnswer]


class ShiftAnswer(Body):
    """A shift; ``expected_fen`` is what its drawer must hold now."""

    shift_id: str
    drawer: str
    clerk: str
    float_fen: int
    state: ShiftState
    opened_at: datetime
    counted_fen: int | None
    difference_fen: int | None
    left_fen: int | None
    confirmed_by: str | None


class ShiftViewAnswer(Body):
    """A shift with what must be in its drawer and on its slips."""

    shift: ShiftAnswer
    expected_fen: int
    card_fen: int
    epay_fen: int
    takings: int


class OverrideAnswer(Body):
    """An override as it stands."""

    override_id: str
    kind: OverrideKind
    payment: str
    amount_fen: int
    reason: ReasonCode
    text: str
    state: OverrideState
    proposed_by: str
    decided_by: str | None


class TotalsAnswer(Body):
    """Sums of a day."""

    lines: int
    medfee_fen: int
    fund_fen: int
    account_fen: int
    cash_fen: int


class DifferenceAnswer(Body):
    """A difference with its cause and what would mend it."""

    cause: str
    repair: str
    subject: str
    found_fen: int
    expected_fen: int


class BooksAnswer(Body):
    """The hospital's own books of a day."""

    totals: TotalsAnswer
    by_fund: Mapping[str, int]
    wallet_fen: int
    taken: Mapping[str, int]
    given_back: Mapping[str, int]
    unpaid: int
    undecided: int


class DayAnswer(Body):
    """A day's comparison."""

    day: date
    closed: bool
    hospital: BooksAnswer
    insurer: TotalsAnswer
    differences: list[DifferenceAnswer]
    open_shifts: list[ShiftAnswer]


class ClosingAnswer(Body):
    """A closed day."""

    day: date
    closed_by: str
    closed_at: datetime
    hospital: BooksAnswer
    differences: list[DifferenceAnswer]
    reason: str


class ReceiptAnswer(Body):
    """A receipt: the figures, and the lines to print."""

    setl_id: str
    encounter_no: str
    masked_name: str
    amounts: AmountsAnswer
    from_wallet_fen: int
    taking: TakingAnswer | None
    lines: list[str]


CallerOf = Callable[[Request], Caller]


def staff_routes(
    services: CashierServices,
    payments: Payments,
    caller: CallerOf,
    *,
    clock: Clock,
    label: Label | None = None,
    handed_over: HandedOver = no_desk,
) -> APIRouter:
    """Everything that staff do at the windows of one hospital.

    Args:
        services: Of its windows.
        payments: Prepares what is settled.
        caller: Who asks, signed in.
        clock: For the age of ID numbers.
        label: Stands on every printed line, in a sandbox for example.
        handed_over: Finds what the terminal beside a desk handed over.
    """

    def clerk(request: Request) -> Caller:
        who = caller(request)
        check_role(who, SERVING)
        return who

    def closer(request: Request) -> Caller:
        who = caller(request)
        check_role(who, CLOSING)
        return who

    routes = APIRouter(prefix=PREFIX, tags=["cashier"])
    routes.include_router(_items_routes(services, clerk, clock))
    routes.include_router(_payment_routes(services, payments, clerk, clock, handed_over))
    routes.include_router(_taking_routes(services, clerk, label))
    routes.include_router(_refund_routes(services, clerk))
    routes.include_router(_shift_routes(services, clerk))
    routes.include_router(_override_routes(services, caller))
    routes.include_router(_day_routes(services, closer))
    return routes


def _items_routes(services: CashierServices, clerk: CallerOf, clock: Clock) -> APIRouter:
    routes = APIRouter(dependencies=[Depends(clerk)])
    window = services.window

    @routes.get("/encounters/{encounter_no}")
    def of_encounter(encounter_no: _NumberPath) -> OpenItemsAnswer:
        """What is open of an encounter."""
        return _items(window.of_encounter(encounter_no=EncounterNo(encounter_no)))

    @routes.get("/slips/{slip_no}")
    def of_slip(slip_no: _Slip) -> OpenItemsAnswer:
        """What is open of the encounter whose bill waits under this slip."""
        return _items(window.of_slip(slip_no=slip_no))

    @routes.get("/records/{record_no}")
    def of_record(record_no: _NumberPath) -> list[OpenItemsAnswer]:
        """What is open of a person, the newest encounter first."""
        return [_items(each) for each in window.of_record(record_no=RecordNo(record_no))]

    @routes.post("/people")
    def of_person(
        body: LookUpBody, who: Annotated[Caller, Depends(clerk)]
    ) -> list[OpenItemsAnswer]:
        """What is open of the person who shows this."""
        evidence = evidence_at_window(
            body.evidence, seen_by=who.staff_id, today=business_date(clock.now())
        )
        return [_items(each) for each in window.of_person(evidence=evidence)]

    return routes


def _payment_routes(
    services: CashierServices,
    payments: Payments,
    clerk: CallerOf,
    clock: Clock,
    handed_over: HandedOver,
) -> APIRouter:
    routes = APIRouter(prefix="/payments", dependencies=[Depends(clerk)])

    @routes.post("")
    def prepare(body: PrepareBody) -> PaymentAnswer:
        """Show who would pay what; moves nothing."""
        return _payment(
            payments.prepare(
                command_id=CommandId(body.command_id),
                encounter_no=EncounterNo(body.encounter_no),
                acct_used_flag=body.acct_used_flag,
            )
        )

    @routes.post("/{payment}/settlement")
    def settle(
        payment: _NumberPath, body: SettleBody, who: Annotated[Caller, Depends(clerk)]
    ) -> PaymentAnswer:
        """Settle on the person's evidence."""
        evidence = evidence_at_window(
            body.evidence,
            seen_by=who.staff_id,
            today=business_date(clock.now()),
            handed_over=handed_over,
        )
        return _payment(
            services.window.settle(
                payment=CommandId(payment),
                evidence=evidence,
                by=who.staff_id,
                from_wallet_fen=Fen(body.from_wallet_fen),
                override_id=_override_id(body.override_id),
            )
        )

    @routes.post("/{payment}/cancellation")
    def cancel(
        payment: _NumberPath, body: CancelBody, who: Annotated[Caller, Depends(clerk)]
    ) -> CancelAnswer:
        """Take the settlement back; what was taken at the window is then due back."""
        return _cancelled(
            services.refunds.cancel(
                payment=CommandId(payment),
                by=who.staff_id,
                override_id=_override_id(body.override_id),
            )
        )

    return routes


def _taking_routes(services: CashierServices, clerk: CallerOf, label: Label | None) -> APIRouter:
    routes = APIRouter(prefix="/payments", dependencies=[Depends(clerk)])

    @routes.post("/{payment}/taking")
    def take(
        payment: _NumberPath, body: TakeBody, who: Annotated[Caller, Depends(clerk)]
    ) -> TakingAnswer:
        """Take the cash share in one or more tenders."""
        offers = [Offer(each.kind, Fen(each.given_fen), each.reference) for each in body.tenders]
        return _taking(
            services.cashier.take(
                command_id=CommandId(body.command_id),
                payment=CommandId(payment),
                offers=offers,
                taken_by=who.staff_id,
            )
        )

    @routes.get("/{payment}/receipt")
    def receipt(
        payment: _NumberPath, language: Annotated[Language, Query()] = Language.ZH
    ) -> ReceiptAnswer:
        """The receipt, as figures and as lines to print."""
        found = services.cashier.receipt(payment=CommandId(payment), label=label)
        return _receipt(found, language)

    return routes


def _refund_routes(services: CashierServices, clerk: CallerOf) -> APIRouter:
    routes = APIRouter(prefix="/refunds", dependencies=[Depends(clerk)])
    refunds = services.refunds

    @routes.get("")
    def open_refunds() -> list[RefundAnswer]:
        """What is still to be given back, the oldest first."""
        return [_refund(due) for due in refunds.open()]

    @routes.post("/{refund}/cash")
    def pay_out(
        refund: _NumberPath, body: CommandBody, who: Annotated[Caller, Depends(clerk)]
    ) -> RefundAnswer:
        """Give it out of the drawer."""
        return _refund(
            refunds.pay_out(
                command_id=CommandId(body.command_id),
                refund_id=RefundId(refund),
                by=who.staff_id,
            )
        )

    @routes.post("/{refund}/reversal")
    def ask(
        refund: _NumberPath, body: CommandBody, who: Annotated[Caller, Depends(clerk)]
    ) -> RefundAnswer:
        """Note that it is about to be given back at the terminal."""
        return _refund(
            refunds.ask(
                command_id=CommandId(body.command_id),
                refund_id=RefundId(refund),
                by=who.staff_id,
            )
        )

    @routes.post("/{refund}/given")
    def given(
        refund: _NumberPath, body: GivenBody, who: Annotated[Caller, Depends(clerk)]
    ) -> RefundAnswer:
        """Note under which number the terminal gave it back."""
        return _refund(
            refunds.given(refund_id=RefundId(refund), reference=body.reference, by=who.staff_id)
        )

    @routes.post("/{refund}/not-given")
    def not_given(refund: _NumberPath, who: Annotated[Caller, Depends(clerk)]) -> RefundAnswer:
        """Note that the terminal refused; it is due as before."""
        return _refund(refunds.not_given(refund_id=RefundId(refund), by=who.staff_id))

    @routes.post("/{refund}/way")
    def divert(
        refund: _NumberPath, body: DivertBody, who: Annotated[Caller, Depends(clerk)]
    ) -> RefundAnswer:
        """Let it go back another way, which two people have agreed to."""
        return _refund(
            refunds.divert(
                refund_id=RefundId(refund),
                way=body.way,
                override_id=OverrideId(body.override_id),
                by=who.staff_id,
            )
        )

    return routes


def _shift_routes(services: CashierServices, clerk: CallerOf) -> APIRouter:
    routes = APIRouter(prefix="/shifts", dependencies=[Depends(clerk)])
    shifts = services.shifts

    @routes.post("")
    def open_shift(body: OpenShiftBody, who: Annotated[Caller, Depends(clerk)]) -> ShiftAnswer:
        """Open a shift with a counted float."""
        return _shift(
            shifts.open(
                command_id=CommandId(body.command_id),
                drawer=DrawerNo(body.drawer),
                clerk=who.staff_id,
                count=_count(body.count),
            )
        )

    @routes.get("/own")
    def own(who: Annotated[Caller, Depends(clerk)]) -> ShiftViewAnswer:
        """The caller's open shift."""
        return _view(shifts.of_clerk(clerk=who.staff_id))

    @routes.get("")
    def not_closed() -> list[ShiftViewAnswer]:
        """Shifts that are not handed over and confirmed."""
        return [_view(each) for each in shifts.not_closed()]

    @routes.post("/{shift}/handover")
    def hand_over(
        shift: _NumberPath, body: HandOverBody, who: Annotated[Caller, Depends(clerk)]
    ) -> ShiftAnswer:
        """Count the drawer at the end of the own shift."""
        return _shift(
            shifts.hand_over(
                shift_id=ShiftId(shift),
                clerk=who.staff_id,
                count=_count(body.count),
                left_fen=Fen(body.left_fen),
                reason=body.reason,
            )
        )

    @routes.post("/{shift}/confirmation")
    def confirm(shift: _NumberPath, who: Annotated[Caller, Depends(clerk)]) -> ShiftAnswer:
        """Confirm somebody else's count."""
        return _shift(shifts.confirm(shift_id=ShiftId(shift), by=who.staff_id))

    @routes.post("/{shift}/dispute")
    def dispute(shift: _NumberPath, who: Annotated[Caller, Depends(clerk)]) -> ShiftAnswer:
        """Say that something else is in the drawer."""
        return _shift(shifts.dispute(shift_id=ShiftId(shift), by=who.staff_id))

    return routes


def _override_routes(services: CashierServices, caller: CallerOf) -> APIRouter:
    routes = APIRouter(prefix="/overrides")
    overrides = services.overrides

    @routes.post("")
    def propose(body: ProposeBody, who: Annotated[Caller, Depends(caller)]) -> OverrideAnswer:
        """Turn the first key."""
        return _override(
            overrides.propose(
                command_id=CommandId(body.command_id),
                kind=body.kind,
                payment=CommandId(body.payment),
                amount_fen=Fen(body.amount_fen),
                reason=body.reason,
                text=body.text,
                caller=who,
            )
        )

    @routes.get("")
    def waiting(who: Annotated[Caller, Depends(caller)]) -> list[OverrideAnswer]:
        """What waits for its second key."""
        check_role(who)
        return [_override(each) for each in overrides.waiting()]

    @routes.post("/{override}/decision")
    def decide(
        override: _NumberPath, body: DecideBody, who: Annotated[Caller, Depends(caller)]
    ) -> OverrideAnswer:
        """Turn the second key, or do not."""
        return _override(
            overrides.decide(override_id=OverrideId(override), approves=body.approves, caller=who)
        )

    return routes


def _day_routes(services: CashierServices, closer: CallerOf) -> APIRouter:
    routes = APIRouter(prefix="/days", dependencies=[Depends(closer)])
    closings = services.closings

    @routes.get("/{day}")
    def report(day: date) -> DayAnswer:
        """A day's books beside those of insurer and wallet, as they stand now."""
        return _day(closings.report(day=day))

    @routes.post("/{day}/closing")
    def close(day: date, body: CloseBody, who: Annotated[Caller, Depends(closer)]) -> ClosingAnswer:
        """Close a day that is over."""
        return _closing(
            closings.close(
                command_id=CommandId(body.command_id), day=day, caller=who, reason=body.reason
            )
        )

    @routes.get("/{day}/closing")
    def closed(day: date) -> ClosingAnswer:
        """A closed day, as it was closed."""
        return _closing(closings.get(day=day))

    return routes


def _override_id(text: str | None) -> OverrideId | None:
    return None if text is None else OverrideId(text)


def _count(count: Mapping[int, int]) -> Mapping[Fen, int]:
    return {Fen(denomination): pieces for denomination, pieces in count.items()}


def _amounts(amounts: Amounts) -> AmountsAnswer:
    return AmountsAnswer(
        medfee_sumamt=amounts.medfee_sumamt,
        fulamt_ownpay_amt=amounts.fulamt_ownpay_amt,
        overlmt_selfpay=amounts.overlmt_selfpay,
        preselfpay_amt=amounts.preselfpay_amt,
        act_pay_dedc=amounts.act_pay_dedc,
        fund_pay_sumamt=amounts.fund_pay_sumamt,
        by_fund={name: amount for name, amount in amounts.by_fund.items() if amount},
        acct_pay=amounts.acct_pay,
        acct_mulaid_pay=amounts.acct_mulaid_pay,
        psn_cash_pay=amounts.psn_cash_pay,
        hosp_part_amt=amounts.hosp_part_amt,
        balc=amounts.balc,
    )


def _payment(payment: Payment) -> PaymentAnswer:
    shown = payment.confirmed if payment.settled is None else payment.settled
    wallet = payment.wallet
    return PaymentAnswer(
        payment=payment.command_id,
        encounter_no=payment.encounter_no,
        state=payment.state,
        intent_id=payment.intent_id,
        amount_max_fen=payment.amount_max_fen,
        slip_no=None if payment.slip_no is None else printed_slip_no(payment.slip_no),
        channel=payment.channel,
        amounts=_amounts(shown.amounts),
        from_wallet_fen=0 if wallet is None else wallet.taken_fen,
    )


def _taking(taking: Taking) -> TakingAnswer:
    return TakingAnswer(
        command_id=taking.command_id,
        payment=taking.payment,
        due_fen=taking.due_fen,
        change_fen=taking.change_fen,
        tenders=[
            TenderAnswer(
                kind=each.kind,
                amount_fen=each.amount_fen,
                tendered_fen=each.tendered_fen,
                reference=each.reference,
            )
            for each in taking.tenders
        ],
        taken_at=taking.taken_at,
    )


def _refund(due: RefundDue) -> RefundAnswer:
    return RefundAnswer(
        refund_id=due.refund_id,
        payment=due.payment,
        source=due.source,
        way=due.way,
        amount_fen=due.amount_fen,
        state=due.state,
        reference=due.reference,
        given_at=due.given_at,
    )


def _cancelled(cancelled: Cancelled) -> CancelAnswer:
    return CancelAnswer(
        payment=_payment(cancelled.payment),
        refunds=[_refund(due) for due in cancelled.dues],
    )


def _items(items: OpenItems) -> OpenItemsAnswer:
    return OpenItemsAnswer(
        encounter_no=items.encounter_no,
        masked_name=items.masked_name,
        dept_name=items.dept_name,
        dept_name_en=items.dept_name_en,
        batches=[
            BatchAnswer(
                chrg_bchno=each.chrg_bchno,
                state=each.state,
                items=each.items,
                amount_fen=each.amount_fen,
                uploaded=each.uploaded,
                lines=[_line(item) for item in each.lines],
            )
            for each in items.batches
        ],
        payments=[_standing(view) for view in items.payments],
    )


def _line(item: ChargeItem) -> LineAnswer:
    split = item.split
    return LineAnswer(
        feedetl_sn=item.feedetl_sn,
        name_zh=item.name_zh,
        name_en=item.name_en,
        count=item.cnt,
        amount_fen=item.det_item_fee_sumamt,
        doctor=item.bilg_dr_name,
        self_paid_fen=None if split is None else split.fulamt_ownpay_amt + split.overlmt_amt,
        upfront_fen=None if split is None else split.preselfpay_amt,
    )


def _standing(view: PaymentView) -> StandingAnswer:
    return StandingAnswer(
        payment=_payment(view.payment),
        due_fen=view.due_fen,
        taking=None if view.taking is None else _taking(view.taking),
        refunds=[_refund(due) for due in view.dues],
    )


def _shift(shift: Shift) -> ShiftAnswer:
    handover = shift.handover
    return ShiftAnswer(
        shift_id=shift.shift_id,
        drawer=shift.drawer,
        clerk=shift.clerk,
        float_fen=shift.float_fen,
        state=shift.state,
        opened_at=shift.opened_at,
        counted_fen=None if handover is None else handover.counted_fen,
        difference_fen=None if handover is None else handover.difference_fen,
        left_fen=None if handover is None else handover.left_fen,
        confirmed_by=shift.confirmed_by,
    )


def _view(view: ShiftView) -> ShiftViewAnswer:
    return ShiftViewAnswer(
        shift=_shift(view.shift),
        expected_fen=view.expected_fen,
        card_fen=view.card_fen,
        epay_fen=view.epay_fen,
        takings=view.takings,
    )


def _override(override: Override) -> OverrideAnswer:
    second: StaffId | None = override.decided_by
    return OverrideAnswer(
        override_id=override.override_id,
        kind=override.kind,
        payment=override.payment,
        amount_fen=override.amount_fen,
        reason=override.reason,
        text=override.text,
        state=override.state,
        proposed_by=override.proposed_by,
        decided_by=second,
    )


def _totals(totals: Totals) -> TotalsAnswer:
    return TotalsAnswer(**{name: getattr(totals, name) for name in totals.__slots__})


def _differences(found: tuple[Difference, ...]) -> list[DifferenceAnswer]:
    return [
        DifferenceAnswer(
            cause=each.cause.value,
            repair=each.repair.value,
            subject=each.subject,
            found_fen=each.found_fen,
            expected_fen=each.expected_fen,
        )
        for each in found
    ]


def _books(day: HospitalDay) -> BooksAnswer:
    return BooksAnswer(
        totals=_totals(day.totals),
        by_fund=dict(day.by_fund),
        wallet_fen=day.wallet_fen,
        taken={kind.value: amount for kind, amount in day.taken.items()},
        given_back={kind.value: amount for kind, amount in day.given_back.items()},
        unpaid=len(day.unpaid),
        undecided=len(day.undecided),
    )


def _day(report: DayReport) -> DayAnswer:
    return DayAnswer(
        day=report.day,
        closed=report.closed,
        hospital=_books(report.hospital),
        insurer=_totals(report.insurer.totals),
        differences=_differences(report.differences),
        open_shifts=[_shift(shift) for shift in report.shifts],
    )


def _closing(closing: Closing) -> ClosingAnswer:
    return ClosingAnswer(
        day=closing.day,
        closed_by=closing.closed_by,
        closed_at=closing.closed_at,
        hospital=_books(closing.hospital),
        differences=_differences(closing.differences),
        reason=closing.reason,
    )


def _receipt(receipt: Receipt, language: Language) -> ReceiptAnswer:
    return ReceiptAnswer(
        setl_id=receipt.setl_id,
        encounter_no=receipt.encounter_no,
        masked_name=receipt.masked_name,
        amounts=_amounts(receipt.amounts),
        from_wallet_fen=receipt.wallet_fen,
        taking=None if receipt.cash is None else _taking(receipt.cash),
        lines=list(render_receipt(receipt, language.value)),
    )
