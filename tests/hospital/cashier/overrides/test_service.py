import json
from functools import partial

import pytest
from sqlalchemy import select

from hospital.cashier.desk import (
    ADMINISTRATOR_CALLS,
    CLERK_CALLS,
    OTHER_CALLS,
    caller,
    refusal,
)
from hospital.world import World, command
from shualian.core.identifiers import CommandId, StaffId
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind
from shualian.hospital.cashier.overrides.model import (
    OVERRIDE_NOT_FOUND,
    OVERRIDE_STEP,
    OVERRIDE_TEXT,
    SECOND_KEY,
    Override,
    OverrideId,
    OverrideKind,
    OverrideState,
    ReasonCode,
)
from shualian.hospital.model import COMMAND_DIFFERS
from shualian.hospital.payments.model import PAYMENT_NOT_FOUND, Payment
from shualian.staff.model import ROLE_MISSING, SAME_PERSON, Caller, Role
from shualian.trust.audit.store import events


def propose(
    world: World,
    payment: Payment,
    number: CommandId | None = None,
    *,
    kind: OverrideKind = OverrideKind.LATE_CANCELLATION,
    text: str = "收费错误",
    by: Caller = CLERK_CALLS,
) -> Override:
    return world.desk.overrides.propose(
        command_id=number or command(),
        kind=kind,
        payment=payment.command_id,
        amount_fen=Fen(0),
        reason=ReasonCode.CHARGED_WRONGLY,
        text=text,
        caller=by,
    )


def decide(world: World, override: Override, by: Caller, *, approves: bool = True) -> Override:
    return world.desk.overrides.decide(
        override_id=override.override_id, approves=approves, caller=by
    )


def test_one_proposes_another_approves_and_both_are_kept(any_world: World) -> None:
    proposed = propose(any_world, any_world.settled())
    assert any_world.desk.overrides.waiting() == [proposed]
    after = decide(any_world, proposed, ADMINISTRATOR_CALLS)
    assert (after.state, after.proposed_by, after.decided_by) == (
        OverrideState.APPROVED,
        CLERK_CALLS.staff_id,
        ADMINISTRATOR_CALLS.staff_id,
    )
    assert decide(any_world, proposed, ADMINISTRATOR_CALLS) == after
    assert any_world.desk.overrides.get(override_id=proposed.override_id) == after
    assert any_world.desk.overrides.waiting() == []


def test_nobody_turns_both_keys(world: World) -> None:
    both = caller(StaffId("S009"), Role.CLERK, Role.ADMINISTRATOR)
    proposed = propose(world, world.settled(), by=both)
    assert refusal(lambda: decide(world, proposed, both)) is SAME_PERSON


@pytest.mark.parametrize("kind", OverrideKind)
def test_the_second_key_needs_the_right_role(world: World, kind: OverrideKind) -> None:
    proposed = propose(world, world.settled(), kind=kind)
    for role in (Role.CLERK, Role.VOLUNTEER, Role.PHARMACIST):
        by = caller(StaffId("S777"), role)
        if role in SECOND_KEY[kind]:
            assert decide(world, proposed, by).state is OverrideState.APPROVED
            return
        assert refusal(partial(decide, world, proposed, by)) is ROLE_MISSING


def test_what_was_rejected_stays_rejected(world: World) -> None:
    proposed = propose(world, world.settled())
    after = decide(world, proposed, ADMINISTRATOR_CALLS, approves=False)
    assert after.state is OverrideState.REJECTED
    assert decide(world, proposed, ADMINISTRATOR_CALLS, approves=False) == after
    assert refusal(lambda: decide(world, proposed, ADMINISTRATOR_CALLS)) is OVERRIDE_STEP


@pytest.mark.parametrize("text", ["", "   ", "字" * 201, "证件 11010519491231002X 不符"])
def test_a_reason_is_said_in_words_without_anybodys_number(world: World, text: str) -> None:
    payment = world.settled()
    assert refusal(lambda: propose(world, payment, text=text)) is OVERRIDE_TEXT


def test_what_is_not_there_or_not_allowed_is_refused(world: World) -> None:
    payment = world.settled()
    kinds: list[RefusalKind] = [
        refusal(lambda: world.desk.overrides.get(override_id=OverrideId("X"))),
        refusal(
            lambda: world.desk.overrides.decide(
                override_id=OverrideId("X"), approves=True, caller=ADMINISTRATOR_CALLS
            )
        ),
        refusal(lambda: propose(world, payment, by=caller(StaffId("S1"), Role.VOLUNTEER))),
        refusal(
            lambda: world.desk.overrides.propose(
                command_id=command(),
                kind=OverrideKind.WAIVER,
                payment=command(),
                reason=ReasonCode.OTHER,
                text="因为",
                caller=CLERK_CALLS,
            )
        ),
    ]
    assert kinds == [OVERRIDE_NOT_FOUND, OVERRIDE_NOT_FOUND, ROLE_MISSING, PAYMENT_NOT_FOUND]


def test_a_repeated_proposal_is_the_same_and_another_body_is_refused(world: World) -> None:
    payment, number = world.settled(), command()
    first = propose(world, payment, number)
    decide(world, first, ADMINISTRATOR_CALLS)
    assert propose(world, payment, number).override_id == first.override_id
    assert refusal(lambda: propose(world, payment, number, text="别的")) is COMMAND_DIFFERS
    assert refusal(lambda: propose(world, payment, number, by=OTHER_CALLS)) is COMMAND_DIFFERS


def test_the_audit_names_both_and_why_but_not_the_words(world: World) -> None:
    proposed = propose(world, world.settled())
    decide(world, proposed, ADMINISTRATOR_CALLS)
    query = select(events.c.payload).where(events.c.kind == "hospital.cashier")
    rows = [json.loads(row) for row in world.database.read(lambda c: c.scalars(query).all())]
    (last,) = [row for row in rows if row["act"] == "override_approved"]
    assert (last["staff"], last["second"]) == ("S009", "S001")
    assert last["reason"] == ReasonCode.CHARGED_WRONGLY
    assert all("收费错误" not in json.dumps(row, ensure_ascii=False) for row in rows)
