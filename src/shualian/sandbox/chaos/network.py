"""The network between the processes: roads on which messages are lost, late, doubled, or deadly.

Each road is an HTTP proxy on loopback with an address that stays, before a process whose address
changes with every restart. What happens to a message follows from a seeded generator and from the
number of the message, never from the time, so that it happens again.
"""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

NOW_HEADER = "x-chaos-now"
"""Tells a process the time of the simulation with everything that it is sent."""

_HERE = "127.0.0.1"
_ANSWER_S = 60.0
_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "host"))


class Role(StrEnum):
    """A process."""

    HOSPITAL = "hospital"
    INSURER = "insurer"
    WALLET = "wallet"


class Fate(StrEnum):
    """What happens to a message on the way."""

    ARRIVES = "arrives"
    LOST = "lost"
    """It never arrives; the sender's connection is cut."""
    ANSWER_LOST = "answer_lost"
    DOUBLED = "doubled"
    """It arrives twice; the second answer comes back."""
    LATE = "late"
    """The sender's connection is cut; it arrives when the late ones are let through."""
    BUSY = "busy"
    """It is turned away."""


TROUBLES = tuple(fate for fate in Fate if fate is not Fate.ARRIVES)


@dataclass(frozen=True, slots=True)
class Killing:
    """A process dies at a message.

    Attributes:
        victim: Which.
        message: Counted from the order on, over all roads; 0 is the next one.
        answered: Whether it dies after the message was answered, before the answer arrives; else
            before the message is passed on.
    """

    victim: Role
    message: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it was received."""

    to: Role
    method: str
    path: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it is passed back."""

    status: int
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)


class Network:
    """The roads, their faults, and which message kills whom.

    Attributes:
        random: Decides the fates.
        trouble: Share of messages that do not simply arrive, 0..1; 0 is a calm network.
        now: The time that is told with every message.
        fates: How many messages met which fate.
    """

    def __init__(self, kill: Callable[[Role], None]) -> None:
        """Describe it; ``kill`` ends a process at once."""
        self.random = Random(0)  # noqa: S311 - a simulation
        self.trouble = 0.0
        self.now = ""
        self.fates: Counter[Fate] = Counter()
        self._kill = kill
        self._ports: dict[Role, int] = {}
        self._late: list[Message] = []
        self._killing: Killing | None = None
        self._messages = 0
        self._lock = threading.Lock()
        self._moving = 0
        self._stopped = threading.Condition()

    def at(self, role: Role, port: int | None) -> None:
        """A process listens there now; none: it is gone."""
        if port is None:
            self._ports.pop(role, None)
        else:
            self._ports[role] = port

    def order(self, killing: Killing | None) -> None:
        """Count from here, and let a process die at one of the next messages."""
        with self._lock:
            self._killing, self._messages = killing, 0

    def forget(self) -> None:
        """Forget what is late: another run begins."""
        self._late = []

    def let_late_arrive(self) -> int:
        """Pass on what was late, oldest first; nobody hears the answers. Gives how many."""
        late, self._late = self._late, []
        for message in late:
            self._passed_on(message)
        return len(late)

    def wait_until_quiet(self) -> None:
        """Wait until nothing is on the roads: a message arrives although its sender died."""
        with self._stopped:
            self._stopped.wait_for(lambda: not self._moving)

    def carry(self, message: Message) -> Reply | None:
        """Bring a message there and its answer back; none when the connection is to be cut."""
        with self._stopped:
            self._moving += 1
        try:
            return self._carried(message)
        finally:
            with self._stopped:
                self._moving -= 1
                self._stopped.notify_all()

    def _carried(self, message: Message) -> Reply | None:
        fate, killing = self._drawn()
        if killing is not None and not killing.answered:
            self._kill(killing.victim)
        reply = self._by_fate(fate, message)
        if killing is not None and killing.answered:
            self._kill(killing.victim)
        return reply

    def send(self, message: Message) -> Reply | None:
        """Bring a message there past all faults; none when nobody answers."""
        return self._passed_on(message)

    def _drawn(self) -> tuple[Fate, Killing | None]:
        with self._lock:
            number, self._messages = self._messages, self._messages + 1
            troubled = self.random.random() < self.trouble
            fate = self.random.choice(TROUBLES) if troubled else Fate.ARRIVES
            self.fates[fate] += 1
            killing = self._killing
            if killing is None or killing.message != number:
                return fate, None
            self._killing = None
            return fate, killing

    def _by_fate(self, fate: Fate, message: Message) -> Reply | None:
        match fate:
            case Fate.LOST:
                return None
            case Fate.LATE:
                self._late.append(message)
                return None
            case Fate.BUSY:
                return Reply(503, (), b"")
            case Fate.ANSWER_LOST:
                self._passed_on(message)
                return None
            case Fate.DOUBLED:
                self._passed_on(message)
        return self._passed_on(message)

    def _passed_on(self, message: Message) -> Reply | None:
        port = self._ports.get(message.to)
        if port is None:
            return None
        connection = http.client.HTTPConnection(_HERE, port, timeout=_ANSWER_S)
        headers = {name: value for name, value in message.headers if name.lower() not in _HOP}
        try:
            told = headers | {NOW_HEADER: self.now}
            connection.request(message.method, message.path, body=message.body, headers=told)
            answer = connection.getresponse()
            return Reply(answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


@contextmanager
def road(network: Network, to: Role) -> Iterator[str]:
    """An address before a process, until the end of the block; gives it as an origin."""

    class Handler(_Proxy):
        """Hands each request to the network."""

        def passed(self, message: Message) -> Reply | None:
            return network.carry(message)

        role = to

    server = _Road((_HERE, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name=f"road-{to}", daemon=True)
    thread.start()
    try:
        yield f"http://{_HERE}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Road(ThreadingHTTPServer):
    daemon_threads = True
    disable_nagle_algorithm = True
    request_queue_size = 64


class _Proxy(BaseHTTPRequestHandler):
    role: Role

    def passed(self, message: Message) -> Reply | None:
        raise NotImplementedError

    def do_POST(self) -> None:
        """Carry a request; without a reply the connection is cut."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        message = Message(self.role, "POST", self.path, self.headers.items(), body)
        reply = self.passed(message)
        self.close_connection = True
        if reply is None:
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.send_header("connection", "close")
        with suppress(OSError):  # whoever asked may be dead
            self.end_headers()
            self.wfile.write(reply.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
