"""Days on which some lines of a bill are given back agree with insurer, wallet and drawer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from hospital.cashier.desk import handed_over, in_cash, next_day, refusal
from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    START,
    VITAMINS,
    Fault,
    World,
    command,
)
from shualian.core.clock import business_date
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.hospital.cashier.closing.model import Cause
from shualian.hospital.cashier.closing.service import DayReport
from shualian.hospital.cashier.tenders.model import TenderKind
from shualian.hospital.model import OUTCOME_UNKNOWN
from shualian.hospital.payments.model import ItemRefund, Payment, PaymentState

DAY = business_date(START)
NEXT = DAY + timedelta(days=1)
CODES = (CONSULTATION, CHEST_CT, VITAMINS, BLOOD_PRESSURE_TABLETS)


def report(world: World, day: date = DAY) -> DayReport:
    return world.desk.closings.report(day=day)


def paid(world: World, *codes: str, from_wallet_fen: int = 0) -> Payment:
    """A bill that is paid whole: so much from the account, the rest at the window."""
    encounter = world.registered()
    world.ordered(encounter, *codes)
    payment = world.prepared(encounter)
    share = min(from_wallet_fen, payment.confirmed.amounts.psn_cash_pay)
    payment = world.payments.settle(
        command_id=payment.command_id,
        evidence=world.confirmed(payment),
        from_wallet_fen=Fen(share),
    )
    if payment.cash_due_fen:
        in_cash(world, payment)
    return payment


def refunded(world: World, payment: CommandId, code: str) -> ItemRefund:
    found = world.payments.get(command_id=payment)
    items = world.orders.items(encounter_no=found.encounter_no)
    number = next(item.feedetl_sn for item in items if item.medins_list_codg == code)
    return world.payments.refund_items(command_id=command(), payment=payment, items=[number])


def pay_out(world: World) -> None:
    for due in world.desk.refunds.open():
        world.desk.refunds.pay_out(command_id=command(), refund_id=due.refund_id, by=CLERK)


def agrees(world: World, day: date) -> DayReport:
    found = report(world, day)
    assert found.differences == ()
    assert found.hospital.totals == found.insurer.totals
    assert found.hospital.by_fund == found.insurer.by_fund
    taken = sum(found.hospital.taken.values()) - sum(found.hospital.given_back.values())
    assert found.hospital.totals.cash_fen == taken + found.hospital.wallet_fen
    return found


def test_a_day_with_a_refund_of_some_lines_agrees(any_world: World) -> None:
    any_world.agreed()
    by_cash = paid(any_world, *CODES)
    by_wallet = paid(any_world, *CODES, from_wallet_fen=500_00)
    for payment in (by_cash, by_wallet):
        refunded(any_world, payment.command_id, CHEST_CT)
    pay_out(any_world)
    handed_over(any_world, any_world.shift)

    found = agrees(any_world, DAY)

    assert len(found.hospital.lines) == 6
    assert found.hospital.given_back[TenderKind.CASH] > 0
    assert len(found.hospital.wallet) == 2


def test_two_refunds_of_one_bill_and_its_end_agree_each_on_its_own_day(world: World) -> None:
    world.agreed()
    number = paid(world, *CODES, from_wallet_fen=20_00).command_id
    refunded(world, number, CHEST_CT)
    refunded(world, number, VITAMINS)
    pay_out(world)
    handed_over(world, world.shift)
    first = agrees(world, DAY)
    assert len(first.hospital.lines) == 5
    next_day(world)
    world.shift = world.opened(CLERK, "2", 900_00)

    refunded(world, number, BLOOD_PRESSURE_TABLETS)
    pay_out(world)
    agrees(world, NEXT)
    refunded(world, number, CONSULTATION)
    pay_out(world)

    assert world.payments.get(command_id=number).state is PaymentState.CANCELLED
    second = agrees(world, NEXT)
    assert agrees(world, DAY).hospital == first.hospital
    both = first.hospital.totals, second.hospital.totals
    assert sum(each.medfee_fen for each in both) == sum(each.cash_fen for each in both) == 0


def test_a_bill_taken_back_after_a_part_of_it_agrees(world: World) -> None:
    number = paid(world, *CODES).command_id
    refunded(world, number, CHEST_CT)
    world.desk.refunds.cancel(payment=number, by=CLERK)
    pay_out(world)

    assert agrees(world, DAY).hospital.totals.medfee_fen == 0


def test_a_refund_whose_answer_came_a_day_late_is_booked_when_the_insurer_did_it(
    world: World,
) -> None:
    payment = paid(world, CONSULTATION, VITAMINS)
    world.insurer.break_next("refund", Fault.REPLY_LOST)
    kind = refusal(lambda: refunded(world, payment.command_id, VITAMINS))
    assert kind is OUTCOME_UNKNOWN
    causes = {each.cause for each in report(world).differences}
    assert Cause.UNKNOWN_HERE in causes
    handed_over(world, world.shift)
    next_day(world)

    world.payments.resolve_all()

    assert [line.cancels for line in report(world).hospital.lines].count(True) == 1
    assert report(world).differences == ()
    assert report(world, NEXT).hospital.lines == ()


@dataclass(frozen=True)
class Bill:
    """A bill, and which lines of it are given back after how many days each."""

    codes: tuple[str, ...]
    from_wallet_fen: int
    back: tuple[tuple[str, int], ...]


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    codes = draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=4, unique=True))
    back = draw(st.lists(st.sampled_from(codes), max_size=len(codes), unique=True))
    after = [draw(st.integers(0, 2)) for _ in back]
    return Bill(
        codes=tuple(codes),
        from_wallet_fen=draw(st.sampled_from([0, 15_00, 500_00])),
        back=tuple(zip(back, after, strict=True)),
    )


@settings(max_examples=12, deadline=None)
@given(st.lists(bills(), min_size=1, max_size=3))
def test_whatever_is_given_back_on_whatever_day_every_day_agrees(
    make_world: Callable[[], World], planned: list[Bill]
) -> None:
    world = make_world()
    world.agreed()
    numbers: dict[int, CommandId] = {}
    for day in range(3):
        if day:
            next_day(world)
            world.shift = world.opened(CLERK, str(day + 1), 900_00)
        for place, bill in enumerate(planned):
            if not day:
                numbers[place] = paid(
                    world, *bill.codes, from_wallet_fen=bill.from_wallet_fen
                ).command_id
            for code, after in bill.back:
                if after == day:
                    refunded(world, numbers[place], code)
        pay_out(world)
        handed_over(world, world.shift)
    reports = [agrees(world, DAY + timedelta(days=day)) for day in range(3)]
    standing = [answer.amounts.medfee_sumamt for answer in world.insurer.standing.values()]
    assert sum(each.hospital.totals.medfee_fen for each in reports) == sum(standing)
