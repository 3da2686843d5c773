"""Running the stand-in: its folder, its server on loopback, its timer; and the sample people.

A room of its own because it holds what nothing else here may: threads, a socket, a server.
"""

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from shualian.core.clock import Clock, SystemClock
from shualian.core.database import SqliteDatabase
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.face.calibration import load_calibration
from shualian.face.engine import FaceEngine
from shualian.face.weights.source import WeightSource
from shualian.gateway.police_registry.model import COMPARISON_PATH
from shualian.sandbox.police_registry import store
from shualian.sandbox.police_registry.api import build_stand_in
from shualian.sandbox.police_registry.model import FMR, SERVER_NOT_STARTED, FaultKind
from shualian.sandbox.police_registry.service import Faults, StandInRegistry
from shualian.sandbox.samples import SamplePicture
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.trust.signatures import Algorithm, SigningKey

if TYPE_CHECKING:
    from shualian.sandbox.city import SamplePerson

PURGE_EVERY_S = 60.0
KEY_FILE = "registry.key"

_ADDRESS = "127.0.0.1"
_STOPPING_S = 1
_COMPARISON = f"POST {COMPARISON_PATH}".encode("ascii")


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """The stand-in while it runs.

    Attributes:
        registry: Its use cases: ``registry.put_photo(...)``, ``registry.faults.set(...)``.
        origin: Where it is reached, and what callers sign.
    """

    registry: StandInRegistry
    origin: str


@contextmanager
def running_registry(
    folder: Path,
    *,
    engine: FaceEngine | None = None,
    clock: Clock | None = None,
    port: int = 0,
    weights_dir: Path | None = None,
) -> Iterator[RunningRegistry]:
    """Run the stand-in on loopback until the end of the block.

    Args:
        folder: Its own; made, for its owner only, when it is missing.
        engine: Shared with others of this process; loaded when not given.
        clock: The machine's by default.
        port: 0 for one that is free.
        weights_dir: Operator's weights, when the engine is loaded here.

    Raises:
        Refused: ``sandbox.registry_not_started``, and when weights, keys or the database are not
            as they must be.
    """
    with ExitStack() as opened:
        listening = opened.enter_context(_listening(port))
        origin = f"http://{_ADDRESS}:{listening.getsockname()[1]}"
        registry = opened.enter_context(
            open_registry(
                folder,
                engine=engine or FaceEngine(WeightSource(weights_dir)),
                clock=clock or SystemClock(),
                origin=origin,
            )
        )
        opened.enter_context(_purging(registry))
        opened.enter_context(_serving(registry, listening))
        yield RunningRegistry(registry, origin)


@contextmanager
def open_registry(
    folder: Path, *, engine: FaceEngine, clock: Clock, origin: str
) -> Iterator[StandInRegistry]:
    """The stand-in without its server, over the state in ``folder``.

    Raises:
        Refused: When keys, calibration or the database are not as they must be.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sealer = Sealer(DevelopmentKeys(folder / "keys"))
    key = _answering_key(folder / KEY_FILE)
    with closing(SqliteDatabase(f"sqlite:///{folder / 'registry.db'}")) as database:
        database.create_tables(store.metadata)
        yield StandInRegistry(
            database=database,
            sealer=sealer,
            key=key,
            engine=engine,
            point=load_calibration(engine.path).at(FMR),
            clock=clock,
            origin=origin,
        )


def put_people(
    registry: StandInRegistry,
    people: "Iterable[SamplePerson]",
    samples: Mapping[str, SamplePicture],
) -> None:
    """Put sample people in, each with the picture that is enrolled of them.

    Args:
        registry: The stand-in.
        people: ``(city.PATIENT, *city.OTHERS)``.
        samples: Pictures by name.
    """
    for person in people:
        registry.put_photo(person.id_number, person.name, samples[person.enrolled].encoded)


def _answering_key(file: Path) -> SigningKey:
    """The registry's key of SM2, made on first use."""
    if not file.exists():
        SigningKey.generate(Algorithm.SM2_SM3).save(file, mode=Mode.SANDBOX)
    return SigningKey.load(file, mode=Mode.SANDBOX)


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # With its protocol named, asyncio turns Nagle's algorithm off; else each answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_ADDRESS, port))
        except OSError as failure:
            raise Refused(SERVER_NOT_STARTED, found=failure.strerror or "", port=port) from None
        listening.listen()
        yield listening


@contextmanager
def _serving(registry: StandInRegistry, listening: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(
        build_stand_in(registry),
        http=_dropping(registry.faults),
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_STOPPING_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="police-registry", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _purging(registry: StandInRegistry) -> Iterator[None]:
    """Delete what is due now and every minute, also when nobody asks."""
    ended = threading.Event()

    def purge() -> None:
        while True:
            # What could not be deleted now is tried again; until then nothing reads it.
            with suppress(Refused):
                registry.purge()
            if ended.wait(PURGE_EVERY_S):
                return

    thread = threading.Thread(target=purge, name="police-registry-purge", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _dropping(faults: Faults) -> type[H11Protocol]:
    """A server that drops the connection of a comparison unanswered while it is unreachable."""

    class Dropping(H11Protocol):
        def data_received(self, data: bytes) -> None:
            if faults.current.kind is FaultKind.UNREACHABLE and data.startswith(_COMPARISON):
                self.transport.abort()
                return
            super().data_received(data)

    return Dropping
