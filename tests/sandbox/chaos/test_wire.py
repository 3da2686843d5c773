"""The sandbox's own wire: what goes in at one end comes out at the other, refusals too."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from starlette.applications import Starlette

from hospital.world import (
    CHEST_CT,
    CONSULTATION,
    HOSPITAL,
    ZHANG,
    World,
    command,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import AuthNo, VisitId
from shualian.core.refusals import Refused
from shualian.hospital.model import INSURER_UNREACHABLE, SettlementReversal
from shualian.sandbox.chaos.wire import Wire, insurer_routes
from shualian.sandbox.loopback import free_socket, served
from shualian.verification.model import PROOF_NOT_FOUND


@pytest.fixture
def world(sqlite_database: SqliteDatabase) -> World:
    return World(sqlite_database)


@pytest.fixture
def wire(world: World) -> Iterator[Wire]:
    """The test's insurer at the other end."""
    with ExitStack() as opened:
        listening = opened.enter_context(free_socket())
        app = Starlette(routes=insurer_routes(world.insurer, world.proofs))
        origin = opened.enter_context(served(app, listening))
        yield Wire(opened.enter_context(httpx.Client(base_url=origin, trust_env=False, timeout=60)))


def over(world: World, wire: Wire) -> None:
    """Let the hospital ask over the wire."""
    for room in (world.records, world.encounters, world.orders, world.payments):
        room._insurer = wire.platform


def test_a_whole_visit_goes_over_it(world: World, wire: Wire) -> None:
    over(world, wire)
    payment = world.settled(CONSULTATION, CHEST_CT)
    _, answer = world.insurer.settlements[payment.command_id]
    assert payment.answer == answer
    assert world.payments.cancel(command_id=payment.command_id).undone


def test_a_reversal_goes_over_it(world: World, wire: Wire) -> None:
    payment = world.settled()
    reversal = SettlementReversal(payment.command_id, HOSPITAL, ZHANG.psn_no, payment.mdtrt_id)
    assert wire.platform.reverse_settlement(reversal) == world.insurer.reversed[payment.command_id]
    never = SettlementReversal(command(), HOSPITAL, ZHANG.psn_no, VisitId("1"))
    assert wire.platform.reverse_settlement(never) is None


def test_a_proof_is_seen_as_it_is(world: World, wire: Wire) -> None:
    proof = world.proofs.issue(ZHANG.psn_no)
    assert wire.check(proof.auth_no, expected_institution=HOSPITAL) == proof


def test_a_refusal_crosses_whole(world: World, wire: Wire) -> None:
    with pytest.raises(Refused) as caught:
        wire.check(AuthNo("none"), expected_institution=HOSPITAL)
    assert caught.value.kind == PROOF_NOT_FOUND


def test_nobody_at_the_other_end_is_no_refusal_of_a_command() -> None:
    with httpx.Client(base_url="http://127.0.0.1:9", trust_env=False) as http:
        wire = Wire(http)
        with pytest.raises(httpx.TransportError):
            wire.platform.reverse_settlement(
                SettlementReversal(command(), HOSPITAL, ZHANG.psn_no, VisitId("1"))
            )
        with pytest.raises(Refused) as caught:
            wire.check(AuthNo("none"), expected_institution=HOSPITAL)
    assert caught.value.kind is INSURER_UNREACHABLE
