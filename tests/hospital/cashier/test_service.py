from collections.abc import Callable
from dataclasses import replace

import pytest

from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    OTHER_HOSPITAL,
    VITAMINS,
    ZHANG,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.model import CASH_OPEN, RECEIPT_WRONG
from shualian.hospital.cashier.tenders.model import (
    CASH_INVALID,
    CASH_TAKEN,
    CASH_TOO_LITTLE,
    NO_CASH_DUE,
    TENDERED_FEN_MAX,
    Taking,
)
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    Amounts,
    Label,
    SettlementAnswer,
)
from shualian.hospital.payments.model import (
    PAYMENT_NOT_FOUND,
    PAYMENT_NOT_SETTLED,
    Payment,
)

EVERYTHING = (CONSULTATION, CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS)


def taking(
    world: World, payment: Payment, tendered_fen: int, command_id: CommandId | None = None
) -> Callable[[], Taking]:
    number = command_id or command()
    return lambda: world.cashier.take_cash(
        command_id=number,
        payment=payment.command_id,
        tendered_fen=Fen(tendered_fen),
        taken_by=CLERK,
    )


def altered(world: World, change: Callable[[Amounts], Amounts]) -> Payment:
    """A payment whose settlement came back with other amounts than were confirmed."""

    def alter(answer: SettlementAnswer) -> SettlementAnswer:
        if answer.setl_id is None:
            return answer
        return replace(answer, amounts=change(answer.amounts))

    world.insurer.altered = alter
    return world.settled(*EVERYTHING)


def test_cash_is_taken_to_the_fen_and_change_given(any_world: World) -> None:
    payment = any_world.settled()
    taken = taking(any_world, payment, 120_00)()
    assert (taken.due_fen, taken.tendered_fen, taken.change_fen) == (114_80, 120_00, 5_20)
    assert taken.taken_by == CLERK
    assert any_world.cashier.receipt(payment=payment.command_id).cash == taken


def test_a_repeated_command_takes_no_more_cash(any_world: World) -> None:
    payment = any_world.settled()
    take = taking(any_world, payment, 120_00)
    results = in_parallel([take] * 4)
    assert results == [results[0]] * 4
    assert take() == results[0]


def test_two_windows_at_once_take_the_cash_once(any_world: World) -> None:
    payment = any_world.settled()
    results = in_parallel([taking(any_world, payment, 120_00) for _ in range(4)])
    taken = [result for result in results if isinstance(result, Taking)]
    refusals = [result.kind for result in results if isinstance(result, Refused)]
    assert len(taken) == 1
    assert refusals == [CASH_TAKEN] * 3


def test_a_repeated_command_with_another_amount_is_refused(world: World) -> None:
    payment, command_id = world.settled(), command()
    taking(world, payment, 120_00, command_id)()
    with pytest.raises(Refused) as refused:
        taking(world, payment, 200_00, command_id)()
    assert refused.value.kind is COMMAND_DIFFERS


@pytest.mark.parametrize(
    ("tendered_fen", "kind"),
    [
        (114_79, CASH_TOO_LITTLE),
        (0, CASH_INVALID),
        (-1, CASH_INVALID),
        (TENDERED_FEN_MAX + 1, CASH_INVALID),
    ],
)
def test_a_wrong_amount_of_cash_is_not_taken(world: World, tendered_fen: int, kind: object) -> None:
    payment = world.settled()
    with pytest.raises(Refused) as refused:
        taking(world, payment, tendered_fen)()
    assert refused.value.kind is kind
    assert taking(world, payment, 114_80)().change_fen == 0


def test_no_cash_is_taken_where_none_is_due(world: World) -> None:
    world.insurer.balances[ZHANG.psn_no] = Fen(500_00)
    payment = world.settled()
    with pytest.raises(Refused) as refused:
        taking(world, payment, 1_00)()
    assert refused.value.kind is NO_CASH_DUE
    assert world.cashier.receipt(payment=payment.command_id).cash is None


def test_no_cash_is_taken_for_what_is_not_settled(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    payment = world.prepared(encounter)
    for ask in (
        taking(world, payment, 200_00),
        lambda: world.cashier.receipt(payment=payment.command_id),
    ):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.kind is PAYMENT_NOT_SETTLED


def test_there_is_no_receipt_before_the_cash_is_paid(world: World) -> None:
    payment = world.settled()
    with pytest.raises(Refused) as refused:
        world.cashier.receipt(payment=payment.command_id)
    assert refused.value.kind is CASH_OPEN
    assert refused.value.details["due_fen"] == 114_80


@pytest.mark.parametrize("steps", range(2))
def test_cash_is_recorded_once_wherever_the_power_is_cut(world: World, steps: int) -> None:
    payment, number = world.settled(), command()
    take = taking(world, payment, 120_00, number)
    world.breaker.steps_left = steps
    with pytest.raises(PowerCutError):
        take()
    world.start()
    assert taking(world, payment, 120_00, number)().change_fen == 5_20
    with pytest.raises(Refused) as refused:
        taking(world, payment, 120_00)()
    assert refused.value.kind is CASH_TAKEN


def test_a_receipt_says_who_pays_each_fen_and_why(any_world: World) -> None:
    payment = any_world.settled(*EVERYTHING)
    amounts = payment.answer.amounts
    taking(any_world, payment, amounts.psn_cash_pay)()
    receipt = any_world.cashier.receipt(payment=payment.command_id)
    # 25 + 220 + 32 + 18 yuan; 40 and 3.50 over ceilings, 18 upfront, 18 not covered.
    assert amounts.medfee_sumamt == 295_00
    assert receipt.burden.self_paid == 43_50 + 18_00
    assert receipt.burden.act_pay_dedc == 20_00
    assert receipt.burden.own_share == amounts.psn_part_amt - 61_50
    assert receipt.burden.scope_share == 215_50 - 20_00 - amounts.hifp_pay
    assert receipt.reasons == payment.confirmed.reasons
    assert receipt.setldetail == payment.answer.setldetail
    assert receipt.setl_id == payment.answer.setl_id
    assert receipt.lines[0].name_zh == "普通门诊诊察费"


def test_a_receipt_shows_the_patient_masked(world: World) -> None:
    payment = world.settled()
    taking(world, payment, 114_80)()
    receipt = world.cashier.receipt(payment=payment.command_id)
    assert receipt.masked_name == "张*国"
    assert ZHANG.psn_name not in repr(receipt)
    assert ZHANG.certno.value not in repr(receipt)


def test_a_receipt_is_the_same_each_time(world: World) -> None:
    payment = world.settled()
    taking(world, payment, 114_80)()
    label = Label("【模拟】", "[SIMULATED]")
    first = world.cashier.receipt(payment=payment.command_id, label=label)
    world.start()
    assert world.cashier.receipt(payment=payment.command_id, label=label) == first


def test_no_cash_is_taken_for_a_settlement_that_does_not_add_up(world: World) -> None:
    payment = altered(world, lambda a: replace(a, psn_cash_pay=Fen(a.psn_cash_pay + 1)))
    with pytest.raises(Refused) as refused:
        taking(world, payment, 500_00)()
    assert refused.value.kind is ANSWER_INVALID


WRONG: list[Callable[[Amounts], Amounts]] = [
    lambda a: replace(
        a,
        inscp_scp_amt=Fen(a.inscp_scp_amt + 1),
        preselfpay_amt=Fen(a.preselfpay_amt - 1),
    ),
    lambda a: replace(
        a,
        fulamt_ownpay_amt=Fen(a.fulamt_ownpay_amt + 1),
        overlmt_selfpay=Fen(a.overlmt_selfpay - 1),
    ),
    lambda a: replace(
        a,
        medfee_sumamt=Fen(a.medfee_sumamt + 1),
        inscp_scp_amt=Fen(a.inscp_scp_amt + 1),
        hifp_pay=Fen(a.hifp_pay + 1),
        fund_pay_sumamt=Fen(a.fund_pay_sumamt + 1),
    ),
    lambda a: replace(
        a,
        psn_part_amt=Fen(0),
        acct_pay=Fen(0),
        psn_cash_pay=Fen(0),
        hosp_part_amt=a.psn_part_amt,
    ),
]


@pytest.mark.parametrize("change", WRONG)
def test_a_receipt_that_adds_up_but_not_to_its_lines_is_not_handed_out(
    world: World, change: Callable[[Amounts], Amounts]
) -> None:
    payment = altered(world, change)
    if payment.answer.amounts.psn_cash_pay:
        taking(world, payment, 500_00)()
    with pytest.raises(Refused) as refused:
        world.cashier.receipt(payment=payment.command_id)
    assert refused.value.kind is RECEIPT_WRONG


def test_a_hospital_sees_its_own_till_only(world: World) -> None:
    payment = world.settled()
    taking(world, payment, 114_80)()
    other = world.hospital_of(OTHER_HOSPITAL).cashier
    with pytest.raises(Refused) as refused:
        other.receipt(payment=payment.command_id)
    assert refused.value.kind is PAYMENT_NOT_FOUND
