"""Promise 4: price, claim and place in the queue do not depend on what a person shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    INTERNAL,
    LI,
    SURGERY,
    VITAMINS,
    ZHANG,
    World,
    command,
)
from shualian.core.money import Fen
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import (
    Amounts,
    Channel,
    Evidence,
    FeeSplit,
    FundDetail,
    InsuredPerson,
    Reason,
)
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.payments.model import Payment
from shualian.hospital.scheduling.model import Department

MakeWorld = Callable[[], World]
CODES = (CONSULTATION, CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS)


def by_face(world: World, payment: Payment, person: InsuredPerson) -> Evidence:
    return world.confirmed(payment, person)


def by_code(world: World, payment: Payment, person: InsuredPerson) -> Evidence:
    return world.code(person, payment.intent_id)


def by_card(world: World, payment: Payment, person: InsuredPerson) -> Evidence:
    return world.card(person, intent_id=payment.intent_id)


def by_document(world: World, payment: Payment, person: InsuredPerson) -> Evidence:
    return world.shown(payment, person)


SETTLING: Mapping[Channel, Callable[[World, Payment, InsuredPerson], Evidence]] = {
    Channel.FACE: by_face,
    Channel.CODE: by_code,
    Channel.CARD: by_card,
    Channel.DOCUMENT: by_document,
}
"""How a bill is confirmed by each channel."""


def registered_by_face(world: World, person: InsuredPerson, department: Department) -> Encounter:
    return world.registered(person, department)


REGISTERING: Mapping[Channel, Callable[[World, InsuredPerson, Department], Encounter]] = {
    Channel.FACE: registered_by_face,
}
"""How a visit is registered by each channel that can; another channel is another line here."""


@dataclass(frozen=True)
class Visit:
    """What somebody comes for."""

    person: InsuredPerson
    balance: int
    lines: tuple[tuple[str, Decimal], ...]
    account_used: bool
    by_account: int


@dataclass(frozen=True)
class Outcome:
    """What a visit costs, what is claimed for it, and what is left to pay."""

    prices: tuple[tuple[str, Decimal, Fen], ...]
    classes: tuple[tuple[Fen, ...], ...]
    amounts: Amounts
    claim: tuple[FundDetail, ...]
    reasons: tuple[Reason, ...]
    from_wallet: Fen
    due: Fen
    printed: tuple[Fen, ...]


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    counts = st.decimals(min_value=1, max_value=9, places=1)
    lines = draw(st.lists(st.tuples(st.sampled_from(CODES), counts), min_size=1, max_size=5))
    return Visit(
        person=draw(st.sampled_from([ZHANG, LI])),
        balance=draw(st.integers(0, 300_00)),
        lines=tuple(lines),
        account_used=draw(st.booleans()),
        by_account=draw(st.integers(0, 100)),
    )


def outcome(world: World, visit: Visit, channel: Channel) -> Outcome:
    """The visit from registration to receipt, confirmed by one channel."""
    person = visit.person
    world.insurer.balances[person.psn_no] = Fen(visit.balance)
    world.agreed(person)
    encounter = world.registered(person)
    lines = [OrderLine(code, count) for code, count in visit.lines]
    world.orders.order(command_id=command(), encounter_no=encounter.encounter_no, lines=lines)
    items = world.orders.upload(encounter_no=encounter.encounter_no)
    payment = world.payments.prepare(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        acct_used_flag=visit.account_used,
    )
    share = payment.confirmed.amounts.psn_cash_pay
    # Within the account's limit of one payment, the same for everybody.
    wanted = Fen(min(share * visit.by_account // 100, 400_00))
    payment = world.payments.settle(
        command_id=payment.command_id,
        evidence=SETTLING[channel](world, payment, person),
        from_wallet_fen=wanted,
    )
    assert payment.channel is channel
    due = payment.cash_due_fen
    if due:
        world.cashier.take_cash(
            command_id=command(), payment=payment.command_id, tendered_fen=due, taken_by=CLERK
        )
    receipt = world.cashier.receipt(payment=payment.command_id)
    return Outcome(
        prices=tuple(
            (item.medins_list_codg, item.pric, item.det_item_fee_sumamt) for item in items
        ),
        classes=tuple(_parts(item.split) for item in items),
        amounts=payment.answer.amounts,
        claim=payment.answer.setldetail,
        reasons=payment.answer.reasons,
        from_wallet=receipt.wallet_fen,
        due=due,
        printed=(receipt.burden.own_share, receipt.burden.self_paid),
    )


def _parts(split: FeeSplit | None) -> tuple[Fen, ...]:
    assert split is not None
    return (
        split.fulamt_ownpay_amt,
        split.overlmt_amt,
        split.preselfpay_amt,
        split.inscp_scp_amt,
    )


@settings(max_examples=25)
@given(visits())
def test_price_claim_and_what_is_left_to_pay_are_the_same_by_every_channel(
    make_world: MakeWorld, visit: Visit
) -> None:
    found = {channel: outcome(make_world(), visit, channel) for channel in Channel}
    assert set(found) == set(SETTLING) == set(Channel)
    assert all(each == found[Channel.FACE] for each in found.values())


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from(list(REGISTERING)),
        st.sampled_from([ZHANG, LI]),
        st.sampled_from([INTERNAL, SURGERY]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=20)
@given(ARRIVALS)
def test_the_place_in_the_queue_is_that_of_the_arrival(
    make_world: MakeWorld, arrivals: list[tuple[Channel, InsuredPerson, Department]]
) -> None:
    world = make_world()
    places: dict[str, int] = {}
    for channel, person, department in arrivals:
        encounter = REGISTERING[channel](world, person, department)
        places[department.dept_code] = places.get(department.dept_code, 0) + 1
        assert encounter.queue_place == places[department.dept_code]
    for department in (INTERNAL, SURGERY):
        waiting = world.encounters.waiting(department=department)
        expected = range(1, places.get(department.dept_code, 0) + 1)
        assert [each.queue_place for each in waiting] == list(expected)


@settings(max_examples=15)
@given(st.sampled_from(list(Channel)), st.sampled_from(list(Channel)))
def test_a_slip_is_finished_by_any_channel_at_the_same_price(
    make_world: MakeWorld, one: Channel, other: Channel
) -> None:
    amounts = []
    for channel in (one, other):
        world = make_world()
        encounter = world.registered()
        world.ordered(encounter, *CODES)
        payment = world.payments.reserve(command_id=world.prepared(encounter).command_id)
        assert payment.slip_no is not None
        waiting = world.payments.by_slip(slip_no=payment.slip_no)
        settled = world.desk.window.settle(
            payment=waiting.command_id,
            evidence=SETTLING[channel](world, waiting, ZHANG),
            by=CLERK,
        )
        amounts.append(settled.answer.amounts)
    assert amounts[0] == amounts[1]
