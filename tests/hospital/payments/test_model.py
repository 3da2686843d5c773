from dataclasses import replace
from itertools import product

import pytest

from hospital.world import HOSPITAL, KIOSK, START
from shualian.core.identifiers import (
    AuthNo,
    CommandId,
    EncounterNo,
    IntentId,
    PersonNo,
    SettlementId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import Amounts, FaceEvidence, SettlementAnswer
from shualian.hospital.payments.model import (
    HOLD_FOR,
    PAYMENT_IN_PROGRESS,
    PAYMENT_NOT_SETTLED,
    PAYMENT_STEP,
    SEND_WITHIN,
    SLIP_NOT_FOUND,
    UNDER_WAY,
    Payment,
    PaymentState,
    SlipNo,
    Step,
    WalletPart,
    cancelled,
    cancelling,
    given_up,
    giving_up,
    holding,
    lapsed,
    moved_on,
    new_slip_no,
    next_step,
    not_given_up,
    parse_slip_no,
    printed_slip_no,
    refused,
    reserved,
    sent,
    settled,
    unknown,
    withdrawn,
)
from shualian.hospital.wallet.model import PaymentState as WalletState
from shualian.hospital.wallet.model import WalletPayment
from shualian.verification.model import Scene

ANSWER = SettlementAnswer(SettlementId("S1"), START, Amounts(Fen(0)), (), ())
PAYMENT = Payment(
    command_id=CommandId("C1"),
    institution=HOSPITAL,
    encounter_no=EncounterNo("E1"),
    psn_no=PersonNo("P1"),
    mdtrt_id=VisitId("V1"),
    chrg_bchno="B1",
    acct_used_flag=True,
    intent_id=IntentId("I1"),
    prepared_at=START,
    confirmed=ANSWER,
)
EVIDENCE = FaceEvidence(AuthNo("A1"), IntentId("I1"), Scene.SETTLEMENT, KIOSK, START)
HELD = WalletPayment(CommandId("H1"), None, Fen(500), START, START + HOLD_FOR)
PART = WalletPart(HELD, CommandId("H2"), CommandId("H3"), CommandId("H4"))
CASH = SettlementAnswer(SettlementId("S1"), START, Amounts(Fen(800), psn_cash_pay=Fen(800)), (), ())

STEPS = {
    PaymentState.SENT: lambda payment: sent(payment, EVIDENCE, now=START),
    PaymentState.UNKNOWN: lambda payment: unknown(payment, now=START),
    PaymentState.SETTLED: lambda payment: settled(payment, ANSWER, now=START),
    PaymentState.REFUSED: lambda payment: refused(payment, now=START),
    PaymentState.WITHDRAWN: lambda payment: withdrawn(payment, now=START),
    PaymentState.HOLDING: lambda payment: holding(payment, EVIDENCE, PART, now=START),
    PaymentState.RESERVED: lambda payment: reserved(payment, SlipNo("7K3M09XQ"), now=START),
    PaymentState.LAPSED: lambda payment: lapsed(payment, now=START),
    PaymentState.CANCELLING: lambda payment: cancelling(payment, CommandId("X1")),
    PaymentState.CANCELLED: lambda payment: cancelled(payment, SettlementId("S2"), now=START),
    PaymentState.GIVING_UP: lambda payment: giving_up(payment, now=START),
    PaymentState.GIVEN_UP: lambda payment: given_up(payment, None, now=START),
}
ALLOWED = {
    (PaymentState.PREPARED, PaymentState.SENT),
    (PaymentState.PREPARED, PaymentState.WITHDRAWN),
    (PaymentState.PREPARED, PaymentState.HOLDING),
    (PaymentState.PREPARED, PaymentState.RESERVED),
    (PaymentState.RESERVED, PaymentState.SENT),
    (PaymentState.RESERVED, PaymentState.HOLDING),
    (PaymentState.RESERVED, PaymentState.WITHDRAWN),
    (PaymentState.RESERVED, PaymentState.LAPSED),
    (PaymentState.SETTLED, PaymentState.CANCELLING),
    (PaymentState.CANCELLING, PaymentState.CANCELLED),
    (PaymentState.SENT, PaymentState.UNKNOWN),
    (PaymentState.SENT, PaymentState.SETTLED),
    (PaymentState.SENT, PaymentState.REFUSED),
    (PaymentState.UNKNOWN, PaymentState.UNKNOWN),
    (PaymentState.UNKNOWN, PaymentState.SETTLED),
    (PaymentState.UNKNOWN, PaymentState.REFUSED),
    (PaymentState.REFUSED, PaymentState.SETTLED),
    (PaymentState.SENT, PaymentState.GIVING_UP),
    (PaymentState.UNKNOWN, PaymentState.GIVING_UP),
    (PaymentState.GIVING_UP, PaymentState.GIVEN_UP),
}


@pytest.mark.parametrize(("before", "after"), list(product(PaymentState, STEPS)))
def test_every_step_that_is_not_named_is_refused(before: PaymentState, after: PaymentState) -> None:
    found = replace(PAYMENT, state=before)
    if (before, after) == (PaymentState.HOLDING, PaymentState.GIVING_UP):
        # Nothing has gone to the insurer, so there is nothing to reverse.
        assert STEPS[after](found).state is PaymentState.GIVEN_UP
        return
    if (before, after) in ALLOWED:
        assert STEPS[after](found).state is after
        return
    with pytest.raises(Refused) as caught:
        STEPS[after](found)
    assert caught.value.kind is PAYMENT_STEP


@pytest.mark.parametrize("state", sorted(set(PaymentState) - {PaymentState.SETTLED}))
def test_only_a_settled_payment_has_an_answer(state: PaymentState) -> None:
    with pytest.raises(Refused) as caught:
        _ = replace(PAYMENT, state=state).answer
    assert caught.value.kind is PAYMENT_NOT_SETTLED


def with_part(state: PaymentState, wallet: WalletState) -> Payment:
    captured = wallet in {WalletState.CAPTURED, WalletState.REFUNDED}
    held = replace(
        HELD,
        state=wallet,
        captured_fen=Fen(500 if captured else 0),
        refunded_fen=Fen(500 if wallet is WalletState.REFUNDED else 0),
    )
    settled = CASH if state is PaymentState.SETTLED else None
    part = replace(PART, held=held)
    return replace(PAYMENT, state=state, settled=settled, wallet=part, sent_at=START)


@pytest.mark.parametrize("wallet", WalletState)
def test_the_money_follows_what_the_insurer_said(wallet: WalletState) -> None:
    may_be_held = wallet in {WalletState.REQUESTED, WalletState.HELD}
    settled = next_step(with_part(PaymentState.SETTLED, wallet), now=START)
    undone = next_step(with_part(PaymentState.REFUSED, wallet), now=START)
    takes = {WalletState.HELD: Step.CAPTURE, WalletState.REQUESTED: Step.VOID}
    gives_back = {WalletState.CAPTURED: Step.REFUND}
    assert settled is takes.get(wallet)
    assert undone is (Step.VOID if may_be_held else gives_back.get(wallet))


@pytest.mark.parametrize(("state", "wallet"), list(product(PaymentState, WalletState)))
def test_a_saga_with_nothing_left_to_do_is_done_or_undone(
    state: PaymentState, wallet: WalletState
) -> None:
    payment = with_part(state, wallet)
    if state in {PaymentState.PREPARED, PaymentState.RESERVED}:
        return
    left = next_step(payment, now=START)
    assert (left is None) is (payment.done or payment.undone)
    assert not (payment.done and payment.undone)
    assert state not in UNDER_WAY or left is not None


def test_a_bill_that_waited_too_long_for_its_hold_is_given_up() -> None:
    late = START + SEND_WITHIN
    for wallet in (WalletState.REQUESTED, WalletState.HELD):
        payment = with_part(PaymentState.HOLDING, wallet)
        assert next_step(payment, now=late) is Step.VOID
    held = with_part(PaymentState.HOLDING, WalletState.HELD)
    assert held.wallet is not None
    assert moved_on(held, held.wallet, now=START).state is PaymentState.SENT
    assert moved_on(held, held.wallet, now=late).state is PaymentState.HOLDING


@pytest.mark.parametrize("state", [PaymentState.SENT, PaymentState.UNKNOWN])
def test_an_outcome_is_waited_for_as_long_as_money_is_held_for_it(state: PaymentState) -> None:
    held = with_part(state, WalletState.HELD)
    assert next_step(held, now=START) is Step.SETTLE
    assert next_step(held, now=START + HOLD_FOR) is Step.REVERSE
    assert next_step(with_part(state, WalletState.EXPIRED), now=START) is Step.REVERSE
    in_cash = replace(PAYMENT, state=state, sent_at=START)
    assert next_step(in_cash, now=START) is Step.SETTLE
    assert next_step(in_cash, now=START + HOLD_FOR) is Step.REVERSE


def test_a_refused_reversal_leaves_the_outcome_unknown() -> None:
    asked = giving_up(replace(PAYMENT, state=PaymentState.SENT, sent_at=START), now=START)
    assert next_step(asked, now=START) is Step.REVERSE
    assert not replace(asked, unknown_since=START).resolved
    after = not_given_up(asked, now=START)
    assert (after.state, after.unknown_since) == (PaymentState.UNKNOWN, START)
    with pytest.raises(Refused):
        not_given_up(after, now=START)


def test_cash_is_due_for_what_the_account_does_not_give() -> None:
    expected = {WalletState.CAPTURED: 300, WalletState.EXPIRED: 800, WalletState.VOIDED: 800}
    for wallet, due_fen in expected.items():
        assert with_part(PaymentState.SETTLED, wallet).cash_due_fen == due_fen
    with pytest.raises(Refused) as caught:
        _ = with_part(PaymentState.SETTLED, WalletState.HELD).cash_due_fen
    assert caught.value.kind is PAYMENT_IN_PROGRESS


def test_a_slip_number_is_read_as_people_read_it() -> None:
    assert parse_slip_no(" 7k3m-o9iq ") == "7K3M091Q"
    slip_no = new_slip_no()
    assert parse_slip_no(printed_slip_no(slip_no)) == slip_no
    assert len({new_slip_no() for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "7K3M09X", "7K3M09XQ2", "7K3M09XU", "七K3M09XQ"])
def test_what_is_no_slip_number_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_slip_no(text)
    assert caught.value.kind is SLIP_NOT_FOUND
