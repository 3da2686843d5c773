from datetime import timedelta

import pytest

from hospital.cashier.desk import approved, in_cash, refusal
from hospital.world import (
    CLERK,
    DOCTOR,
    HOSPITAL,
    INTERNAL,
    OTHER_HOSPITAL,
    START,
    World,
    command,
)
from shualian.core.clock import business_date
from shualian.hospital.cashier.overrides.model import OverrideKind
from shualian.hospital.cashier.tenders.model import Offer, TenderKind
from shualian.hospital.encounters.model import Override, OverrideReason
from shualian.hospital.model import Channel
from shualian.hospital.payments.model import Payment
from shualian.hospital.statistics import store
from shualian.hospital.statistics.model import INSTITUTION_UNCLEAR, Act, Statistics, Use
from shualian.hospital.statistics.service import statistics_of

DAY = business_date(START)


def uses(world: World, act: Act) -> list[Use]:
    found = world.database.read(lambda c: store.uses(c, HOSPITAL, DAY, DAY))
    return [use for use in found if use.act is act]


def bill(world: World) -> Payment:
    encounter = world.registered()
    world.ordered(encounter)
    return world.prepared(encounter)


def test_a_payment_counts_from_first_frame_and_bill_to_the_last_fen(any_world: World) -> None:
    payment = bill(any_world)
    any_world.wait(timedelta(seconds=5))
    face = any_world.confirmed(payment)
    any_world.wait(timedelta(seconds=7))
    payment = any_world.payments.settle(command_id=payment.command_id, evidence=face)
    (use,) = uses(any_world, Act.PAYMENT)
    assert use.done_at is None
    any_world.wait(timedelta(seconds=30))
    in_cash(any_world, payment)
    (use,) = uses(any_world, Act.PAYMENT)
    assert use.done_at is not None
    assert use.first_frame_at is not None
    assert use.shown_at is not None
    assert (use.done_at - use.first_frame_at).total_seconds() == 37
    assert (use.done_at - use.shown_at).total_seconds() == 42
    assert (use.channel, use.terminal_id, use.age_band) == (Channel.FACE, "K02", "60-69")


def test_a_one_scan_payment_is_paid_when_it_is_settled(world: World) -> None:
    world.agreed()
    payment = bill(world)
    due = payment.confirmed.amounts.psn_cash_pay
    after = world.payments.settle(
        command_id=payment.command_id, evidence=world.confirmed(payment), from_wallet_fen=due
    )
    (use,) = uses(world, Act.PAYMENT)
    assert use.done_at == after.decided_at


def test_a_payment_by_document_is_counted_as_one_and_has_no_first_frame(world: World) -> None:
    payment = bill(world)
    world.payments.settle(command_id=payment.command_id, evidence=world.shown(payment))
    (use,) = uses(world, Act.PAYMENT)
    assert (use.channel, use.first_frame_at, use.terminal_id) == (Channel.DOCUMENT, None, None)
    (registration,) = uses(world, Act.REGISTRATION)
    assert registration.channel is Channel.FACE


def test_who_was_registered_without_showing_anything_was_seen_by_no_channel(
    world: World,
) -> None:
    world.encounters.register(
        command_id=command(),
        record_no=world.record().record_no,
        department=INTERNAL,
        doctor=DOCTOR,
        evidence=None,
        override=Override(CLERK, OverrideReason.UNCONSCIOUS),
    )

    assert uses(world, Act.REGISTRATION) == []
    assert len(world.database.read(lambda c: store.seen(c, HOSPITAL, DAY, DAY))) == 1


def test_an_override_counts_once_it_was_used_and_what_was_taken_back_not_at_all(
    world: World,
) -> None:
    payment = bill(world)
    override = approved(world, OverrideKind.SETTLE_WITHOUT_FACE, payment)
    shown = world.shown(payment)
    world.desk.window.settle(
        payment=payment.command_id, evidence=shown, by=CLERK, override_id=override.override_id
    )
    assert [use.overridden for use in uses(world, Act.PAYMENT)] == [False]
    waived = approved(world, OverrideKind.LATE_CANCELLATION, payment)
    world.wait(timedelta(hours=24))
    world.desk.refunds.cancel(payment=payment.command_id, by=CLERK, override_id=waived.override_id)
    assert uses(world, Act.PAYMENT) == []


def test_a_used_override_marks_its_payment(world: World) -> None:
    payment = world.settled()
    override = approved(world, OverrideKind.WAIVER, payment, payment.cash_due_fen)
    world.cashier.take(
        command_id=command(),
        payment=payment.command_id,
        offers=[Offer(TenderKind.WAIVER, payment.cash_due_fen, override.override_id)],
        taken_by=CLERK,
    )
    assert [use.overridden for use in uses(world, Act.PAYMENT)] == [True]


def numbers(world: World, **more: object) -> Statistics:
    return world.database.read(
        lambda c: statistics_of(c, first=DAY, last=DAY, **more)  # type: ignore[arg-type]
    )


def test_one_person_alone_is_never_shown(any_world: World) -> None:
    payment = any_world.settled()
    in_cash(any_world, payment)
    found = numbers(any_world)
    assert set(found.uses.values()) == {None}
    assert found.frame_to_paid == {Channel.FACE: None}
    # Nobody stands out where all are alike: the share is shown only when both sides are.
    assert found.by_face.ratio is None


def test_a_hospital_is_counted_by_itself(world: World) -> None:
    assert refusal(lambda: numbers(world)) is INSTITUTION_UNCLEAR
    world.settled()
    other = numbers(world, institution=OTHER_HOSPITAL)
    assert other.uses == {}


@pytest.mark.parametrize("days", [-1, 1])
def test_another_day_is_another_span(world: World, days: int) -> None:
    world.settled()
    day = DAY + timedelta(days=days)
    assert world.database.read(lambda c: store.uses(c, HOSPITAL, day, day)) == []
