"""What the simulation's network does with a message, counted and never timed."""

from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shualian.sandbox.chaos.network import TROUBLES, Fate, Killing, Network, Role, road
from shualian.sandbox.loopback import free_socket, served


class World:
    """An insurer that counts what arrives, behind a road."""

    def __init__(self) -> None:
        self.opened = ExitStack()
        self.arrived: list[bytes] = []
        self.killed: list[Role] = []
        self.network = Network(self.killed.append)
        listening = self.opened.enter_context(free_socket())
        app = Starlette(routes=[Route("/it", self.answer, methods=["POST"])])
        self.opened.enter_context(served(app, listening))
        self.network.at(Role.INSURER, listening.getsockname()[1])
        self.origin = self.opened.enter_context(road(self.network, Role.INSURER))

    async def answer(self, request: Request) -> Response:
        self.arrived.append(await request.body())
        return Response(str(len(self.arrived)))

    def post(self, content: str = "x") -> httpx.Response:
        return httpx.post(f"{self.origin}/it", content=content, trust_env=False, timeout=60)

    def meet(self, fate: Fate) -> None:
        self.network.trouble = 1.0
        self.network.random = Only(fate)


class Only(Random):
    """Chooses one fate."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(0)
        self.fate = fate

    def choice(self, seq: object) -> Fate:  # type: ignore[override]
        assert seq == TROUBLES
        return self.fate


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with made.opened:
        yield made


def test_a_calm_network_brings_a_message_and_its_answer(world: World) -> None:
    assert world.post("hello").text == "1"
    assert world.arrived == [b"hello"]


@pytest.mark.parametrize(
    ("fate", "arrives"),
    [(Fate.LOST, 0), (Fate.LATE, 0), (Fate.ANSWER_LOST, 1)],
)
def test_a_cut_connection_says_nothing_of_what_arrived(
    world: World, fate: Fate, arrives: int
) -> None:
    world.meet(fate)
    with pytest.raises(httpx.TransportError):
        world.post()
    assert len(world.arrived) == arrives
    assert world.network.fates[fate] == 1


def test_a_late_message_arrives_when_the_late_ones_are_let_through(world: World) -> None:
    world.meet(Fate.LATE)
    with pytest.raises(httpx.TransportError):
        world.post("late")
    assert world.network.let_late_arrive() == 1
    assert world.arrived == [b"late"]
    assert world.network.let_late_arrive() == 0


def test_a_doubled_message_arrives_twice_and_is_answered_once(world: World) -> None:
    world.meet(Fate.DOUBLED)
    assert world.post().text == "2"


def test_a_busy_network_turns_away(world: World) -> None:
    world.meet(Fate.BUSY)
    assert world.post().status_code == 503
    assert world.arrived == []


@pytest.mark.parametrize("answered", [False, True])
def test_the_ordered_message_kills_once(world: World, answered: bool) -> None:
    world.network.order(Killing(Role.WALLET, 1, answered=answered))
    world.post()
    assert world.killed == []
    world.post()
    world.post()
    assert world.killed == [Role.WALLET]


def test_who_is_gone_answers_nobody(world: World) -> None:
    world.network.at(Role.INSURER, None)
    with pytest.raises(httpx.TransportError):
        world.post()
