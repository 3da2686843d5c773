"""Payments over HTTP: at terminals by the person, at windows by staff.

``prepare`` shows who would pay what and why; ``offer`` says from which account the person's share
could be taken; ``settle`` carries it out on evidence; ``reserve`` makes a slip for the window. A
command that has no outcome yet answers with a refusal of finality ``unknown`` and is looked at
with ``get``, which asks nobody; the resolver ends it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.api import Body
from shualian.hospital.evidence_body import (
    EvidenceAtTerminal,
    EvidenceAtWindow,
    evidence_at_terminal,
    evidence_at_window,
)
from shualian.hospital.model import AtTerminal, Channel, SettlementAnswer
from shualian.hospital.payments.model import (
    PAYMENT_NOT_FOUND,
    UNDER_WAY,
    Payment,
    PaymentState,
    printed_slip_no,
)
from shualian.hospital.payments.service import Payments
from shualian.hospital.wallet.model import Agreement
from shualian.hospital.wallet.model import PaymentState as WalletState
from shualian.staff.model import Caller, Role, check_role

STAFF_PREFIX = "/hospital/v1/payments"
TERMINAL_PREFIX = "/terminal/v1/hospital/payments"

PAYING = frozenset((Role.CLERK, Role.NURSE, Role.PHARMACIST, Role.ADMINISTRATOR))
"""Who settles with a person at a window, a ward's desk or the dispensary."""
BILLING = PAYING | {Role.DOCTOR}
"""Who may make a bill wait under its slip; a doctor in the consulting room."""
UNDOING = frozenset((Role.CLERK, Role.ADMINISTRATOR))
"""Who takes a settlement back, or waits for an outcome no more."""

_Command = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_CommandPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_Money = Annotated[int, Field(ge=0, le=1_000_000_000)]
_Slip = Annotated[str, StringConstraints(min_length=8, max_length=12)]


class PrepareBody(Body):
    """Show who would pay what of a visit's oldest open bill."""

    command_id: _Command
    encounter_no: _Number
    acct_used_flag: bool = True


class PaymentBody(Body):
    """Which payment."""

    command_id: _Command


class SettleBody(PaymentBody):
    """The person confirmed at a terminal, with what of the own share comes from the account."""

    evidence: EvidenceAtTerminal
    from_wallet_fen: _Money = 0


class SettleAtWindowBody(Body):
    """The person confirmed before a member of staff."""

    evidence: EvidenceAtWindow
    from_wallet_fen: _Money = 0


class SlipBody(Body):
    """A slip as somebody reads it from paper."""

    slip_no: _Slip


class ReasonAnswer(Body):
    """One step by which the insurer came to its amounts."""

    rule: str
    clause: str
    subject: str
    before_fen: int
    after_fen: int
    facts: Mapping[str, int]
    zh: str
    en: str


class SplitAnswer(Body):
    """Who pays what, and why; fen, by the names of the national interface."""

    setl_id: str | None
    setl_time: datetime
    medfee_sumamt: int
    fulamt_ownpay_amt: int
    overlmt_selfpay: int
    preselfpay_amt: int
    act_pay_dedc: int
    fund_pay_sumamt: int
    acct_pay: int
    acct_mulaid_pay: int
    psn_cash_pay: int
    hosp_part_amt: int
    balc: int
    funds: Mapping[str, int]
    reasons: list[ReasonAnswer]


class WalletAnswer(Body):
    """What of the own share comes from an account."""

    state: WalletState
    amount_fen: int
    captured_fen: int
    refunded_fen: int


class PaymentAnswer(Body):
    """A payment as it stands.

    ``intent_id`` is what the person confirms, for ``amount_max_fen``. ``under_way`` means that
    there is no outcome yet; ``cash_due_fen`` is told once it is done.
    """

    command_id: str
    encounter_no: str
    state: PaymentState
    under_way: bool
    done: bool
    undone: bool
    intent_id: str
    amount_max_fen: int
    prepared_at: datetime
    decided_at: datetime | None
    channel: Channel | None
    slip_no: str | None
    shown: SplitAnswer
    settled: SplitAnswer | None
    wallet: WalletAnswer | None
    cash_due_fen: int | None


class OfferAnswer(Body):
    """From which account the own share could be taken, and its limits."""

    last_four: str
    amount_fen: int
    transaction_max_fen: int
    day_max_fen: int
    left_today_fen: int
    valid_until: datetime


def terminal_routes(
    signed: APIRouter, payments: Payments, at: Callable[[Request], AtTerminal]
) -> APIRouter:
    """Add what a person does at a terminal.

    Args:
        signed: Empty; verifies every request before its body is read.
        payments: Of the hospital.
        at: Which terminal it is.
    """

    @signed.post(TERMINAL_PREFIX + "/prepare")
    def prepare(body: PrepareBody, terminal: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """Show who would pay what, and why; moves nothing."""
        _check_here(terminal, payments.institution)
        return _prepared(payments, body)

    @signed.post(TERMINAL_PREFIX + "/offer")
    def offer(body: PaymentBody, terminal: Annotated[AtTerminal, Depends(at)]) -> OfferAnswer:
        """From which account the own share could be taken (一脸付)."""
        _check_here(terminal, payments.institution)
        return _offered(payments, CommandId(body.command_id))

    @signed.post(TERMINAL_PREFIX + "/settle")
    def settle(body: SettleBody, terminal: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """Carry out what the person confirmed; again, the same answer."""
        _check_here(terminal, payments.institution)
        settled = payments.settle(
            command_id=CommandId(body.command_id),
            evidence=evidence_at_terminal(body.evidence, terminal),
            from_wallet_fen=Fen(body.from_wallet_fen),
        )
        return answer_of(settled)

    @signed.post(TERMINAL_PREFIX + "/reserve")
    def reserve(body: PaymentBody, terminal: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """Make a slip, to pay at the window."""
        _check_here(terminal, payments.institution)
        return answer_of(payments.reserve(command_id=CommandId(body.command_id)))

    @signed.post(TERMINAL_PREFIX + "/by-slip")
    def by_slip(body: SlipBody, terminal: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """The bill of a slip, to finish it by one scan."""
        _check_here(terminal, payments.institution)
        return answer_of(payments.by_slip(slip_no=body.slip_no))

    @signed.post(TERMINAL_PREFIX + "/get")
    def get(body: PaymentBody, terminal: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """How it stands; asks nobody."""
        _check_here(terminal, payments.institution)
        return answer_of(payments.get(command_id=CommandId(body.command_id)))

    @signed.post(TERMINAL_PREFIX + "/withdraw")
    def withdraw(body: PaymentBody, terminal: Annotated[AtTerminal, Depends(at)]) -> PaymentAnswer:
        """The person goes away before confirming."""
        _check_here(terminal, payments.institution)
        return answer_of(payments.withdraw(command_id=CommandId(body.command_id)))

    return signed


def staff_routes(
    payments: Payments, caller: Callable[[Request], Caller], *, clock: Clock
) -> APIRouter:
    """What staff do with a person before them, and what takes a settlement back.

    Args:
        payments: Of the hospital.
        caller: Who is signed in.
        clock: For the age of ID numbers.
    """
    routes = APIRouter(prefix=STAFF_PREFIX, tags=["payments"])

    def billing(request: Request) -> Caller:
        return _of(payments, caller(request), BILLING)

    def paying(request: Request) -> Caller:
        return _of(payments, caller(request), PAYING)

    def undoing(request: Request) -> Caller:
        return _of(payments, caller(request), UNDOING)

    _add_billing(routes, payments, billing)
    _add_paying(routes, payments, paying, clock)
    _add_undoing(routes, payments, undoing)
    return routes


def _add_billing(
    routes: APIRouter, payments: Payments, billing: Callable[[Request], Caller]
) -> None:
    allowed = [Depends(billing)]

    @routes.post("/prepare", dependencies=allowed)
    def prepare(body: PrepareBody) -> PaymentAnswer:
        """Show who would pay what, and why; moves nothing."""
        return _prepared(payments, body)

    @routes.get("/{command_id}", dependencies=allowed)
    def get(command_id: _CommandPath) -> PaymentAnswer:
        """How it stands; asks nobody."""
        return answer_of(payments.get(command_id=CommandId(command_id)))

    @routes.post("/{command_id}/reserve", dependencies=allowed)
    def reserve(command_id: _CommandPath) -> PaymentAnswer:
        """Make a slip."""
        return answer_of(payments.reserve(command_id=CommandId(command_id)))


def _add_paying(
    routes: APIRouter, payments: Payments, paying: Callable[[Request], Caller], clock: Clock
) -> None:
    allowed = [Depends(paying)]

    @routes.post("/by-slip", dependencies=allowed)
    def by_slip(body: SlipBody) -> PaymentAnswer:
        """The bill of a slip."""
        return answer_of(payments.by_slip(slip_no=body.slip_no))

    @routes.get("/{command_id}/offer", dependencies=allowed)
    def offer(command_id: _CommandPath) -> OfferAnswer:
        """From which account the own share could be taken (一脸付)."""
        return _offered(payments, CommandId(command_id))

    @routes.post("/{command_id}/settle")
    def settle(
        command_id: _CommandPath,
        body: SettleAtWindowBody,
        who: Annotated[Caller, Depends(paying)],
    ) -> PaymentAnswer:
        """Carry out what the person confirmed at the window; again, the same answer."""
        today = business_date(clock.now())
        evidence = evidence_at_window(body.evidence, seen_by=who.staff_id, today=today)
        settled = payments.settle(
            command_id=CommandId(command_id),
            evidence=evidence,
            from_wallet_fen=Fen(body.from_wallet_fen),
        )
        return answer_of(settled)

    @routes.post("/{command_id}/withdraw", dependencies=allowed)
    def withdraw(command_id: _CommandPath) -> PaymentAnswer:
        """Withdraw a bill that was not confirmed."""
        return answer_of(payments.withdraw(command_id=CommandId(command_id)))


def _add_undoing(
    routes: APIRouter, payments: Payments, undoing: Callable[[Request], Caller]
) -> None:
    allowed = [Depends(undoing)]

    @routes.post("/{command_id}/cancel", dependencies=allowed)
    def cancel(command_id: _CommandPath) -> PaymentAnswer:
        """Take a settlement back whole, with what came from an account."""
        return answer_of(payments.cancel(command_id=CommandId(command_id)))

    @routes.post("/{command_id}/give-up", dependencies=allowed)
    def give_up(command_id: _CommandPath) -> PaymentAnswer:
        """Wait for the outcome no more: the person left or pays otherwise."""
        return answer_of(payments.give_up(command_id=CommandId(command_id)))

    @routes.post("/{command_id}/resolve", dependencies=allowed)
    def resolve(command_id: _CommandPath) -> PaymentAnswer:
        """Ask again for the outcome now, as the resolver does every few seconds."""
        return answer_of(payments.resolve(command_id=CommandId(command_id)))


def answer_of(payment: Payment) -> PaymentAnswer:
    """A payment as it is told."""
    part = payment.wallet
    slip_no = payment.slip_no
    return PaymentAnswer(
        command_id=payment.command_id,
        encounter_no=payment.encounter_no,
        state=payment.state,
        under_way=payment.state in UNDER_WAY,
        done=payment.done,
        undone=payment.undone,
        intent_id=payment.intent_id,
        amount_max_fen=payment.amount_max_fen,
        prepared_at=payment.prepared_at,
        decided_at=payment.decided_at,
        channel=payment.channel,
        slip_no=None if slip_no is None else printed_slip_no(slip_no),
        shown=_split(payment.confirmed),
        settled=None if payment.settled is None else _split(payment.settled),
        wallet=None
        if part is None
        else WalletAnswer(
            state=part.held.state,
            amount_fen=part.held.amount_fen,
            captured_fen=part.held.captured_fen,
            refunded_fen=part.held.refunded_fen,
        ),
        cash_due_fen=payment.cash_due_fen if payment.done else None,
    )


def _split(answer: SettlementAnswer) -> SplitAnswer:
    amounts = answer.amounts
    return SplitAnswer(
        setl_id=answer.setl_id,
        setl_time=answer.setl_time,
        medfee_sumamt=amounts.medfee_sumamt,
        fulamt_ownpay_amt=amounts.fulamt_ownpay_amt,
        overlmt_selfpay=amounts.overlmt_selfpay,
        preselfpay_amt=amounts.preselfpay_amt,
        act_pay_dedc=amounts.act_pay_dedc,
        fund_pay_sumamt=amounts.fund_pay_sumamt,
        acct_pay=amounts.acct_pay,
        acct_mulaid_pay=amounts.acct_mulaid_pay,
        psn_cash_pay=amounts.psn_cash_pay,
        hosp_part_amt=amounts.hosp_part_amt,
        balc=amounts.balc,
        funds={name: amount for name, amount in amounts.by_fund.items() if amount},
        reasons=[
            ReasonAnswer(
                rule=reason.rule,
                clause=reason.clause,
                subject=reason.subject,
                before_fen=reason.before,
                after_fen=reason.after,
                facts=reason.facts,
                zh=reason.zh,
                en=reason.en,
            )
            for reason in answer.reasons
        ],
    )


def _prepared(payments: Payments, body: PrepareBody) -> PaymentAnswer:
    prepared = payments.prepare(
        command_id=CommandId(body.command_id),
        encounter_no=EncounterNo(body.encounter_no),
        acct_used_flag=body.acct_used_flag,
    )
    return answer_of(prepared)


def _offered(payments: Payments, command_id: CommandId) -> OfferAnswer:
    agreement: Agreement = payments.offer(command_id=command_id)
    payment = payments.get(command_id=command_id)
    return OfferAnswer(
        last_four=agreement.last_four,
        amount_fen=payment.confirmed.amounts.psn_cash_pay,
        transaction_max_fen=agreement.transaction_max_fen,
        day_max_fen=agreement.day_max_fen,
        left_today_fen=agreement.left_today_fen,
        valid_until=agreement.valid_until,
    )


def _of(payments: Payments, who: Caller, allowed: frozenset[Role]) -> Caller:
    check_role(who, allowed)
    # What is not of the caller's hospital does not exist for the caller.
    if who.employer.institution != payments.institution:
        raise Refused(PAYMENT_NOT_FOUND)
    return who


def _check_here(terminal: AtTerminal, institution: InstitutionCode) -> None:
    """A terminal of another institution learns nothing here."""
    if terminal.institution != institution:
        raise Refused(PAYMENT_NOT_FOUND)
