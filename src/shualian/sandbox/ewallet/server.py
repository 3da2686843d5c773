"""Running the stand-in: its folder, its server on loopback, and what it does by itself.

A room of its own because it holds what nothing else here may: threads, sockets, a server.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from shualian.core.clock import Clock, SystemClock
from shualian.core.database import SqliteDatabase
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.sandbox.ewallet import store
from shualian.sandbox.ewallet.api import build_stand_in
from shualian.sandbox.ewallet.model import SERVER_NOT_STARTED
from shualian.sandbox.ewallet.service import StandInWallet
from shualian.trust.signatures import Algorithm, SigningKey

NEWS_EVERY_S = 0.5
"""So often it is looked for notifications that are due again; new ones go at once."""
UPKEEP_EVERY_S = 5.0
"""So often holds whose time is over are given back."""
KEY_FILE = "wallet.key"

_ADDRESS = "127.0.0.1"
_STOPPING_S = 1
_NEWS_S = 5.0


@dataclass(frozen=True, slots=True)
class RunningWallet:
    """The stand-in while it runs.

    Attributes:
        wallet: Its use cases: ``wallet.open_account(...)``, ``wallet.faults.set(...)``.
        origin: Where it is reached, and what callers sign.
    """

    wallet: StandInWallet
    origin: str


class HttpPost:
    """Sends notifications over HTTP, to this machine only."""

    def __init__(self, http: httpx.Client) -> None:
        """Send with ``http``; it has its times and follows no redirects."""
        self._http = http

    def send(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> bool:
        """See :meth:`Post.send`."""
        try:
            answer = self._http.post(url, content=content, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.status_code == httpx.codes.NO_CONTENT


@contextmanager
def running_wallet(
    folder: Path, *, clock: Clock | None = None, port: int = 0
) -> Iterator[RunningWallet]:
    """Run the stand-in on loopback until the end of the block.

    Args:
        folder: Its own; made, for its owner only, when it is missing.
        clock: The machine's by default.
        port: 0 for one that is free.

    Raises:
        Refused: ``sandbox.wallet_not_started``, and when its key or its database are not as they
            must be.
    """
    with ExitStack() as opened:
        listening = opened.enter_context(_listening(port))
        origin = f"http://{_ADDRESS}:{listening.getsockname()[1]}"
        wallet = opened.enter_context(
            open_wallet(folder, clock=clock or SystemClock(), origin=origin)
        )
        http = opened.enter_context(
            httpx.Client(timeout=_NEWS_S, trust_env=False, follow_redirects=False)
        )
        opened.enter_context(_telling(wallet, HttpPost(http)))
        opened.enter_context(_keeping_up(wallet))
        opened.enter_context(_serving(wallet, listening))
        yield RunningWallet(wallet, origin)


@contextmanager
def open_wallet(folder: Path, *, clock: Clock, origin: str) -> Iterator[StandInWallet]:
    """The stand-in without its server, over the state in ``folder``.

    Raises:
        Refused: When its key or its database are not as they must be.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _answering_key(folder / KEY_FILE)
    with closing(SqliteDatabase(f"sqlite:///{folder / 'wallet.db'}")) as database:
        database.create_tables(store.metadata)
        yield StandInWallet(database=database, key=key, clock=clock, origin=origin)


def _answering_key(file: Path) -> SigningKey:
    """The wallet's key of SM2, made on first use."""
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
def _serving(wallet: StandInWallet, listening: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(
        build_stand_in(wallet),
        http="h11",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_STOPPING_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="e-wallet", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _telling(wallet: StandInWallet, post: HttpPost) -> Iterator[None]:
    """Send notifications as they are written, and again those that were not taken."""

    def tell(ended: threading.Event) -> None:
        while not ended.is_set():
            wallet.news_waits.clear()
            with suppress(Refused):
                wallet.send_due_news(post)
            wallet.news_waits.wait(NEWS_EVERY_S)

    with _thread("e-wallet-news", tell, wake=wallet.news_waits.set):
        yield


@contextmanager
def _keeping_up(wallet: StandInWallet) -> Iterator[None]:
    """Give back what is held for too long, also when nobody asks."""

    def keep_up(ended: threading.Event) -> None:
        while True:
            # What could not be done now is tried again; nothing relies on it meanwhile.
            with suppress(Refused):
                wallet.expire_due()
                wallet.forget_nonces()
            if ended.wait(UPKEEP_EVERY_S):
                return

    with _thread("e-wallet-upkeep", keep_up, wake=lambda: None):
        yield


@contextmanager
def _thread(
    name: str, work: Callable[[threading.Event], None], *, wake: Callable[[], None]
) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        wake()
        thread.join()
