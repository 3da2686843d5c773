"""A real HTTP server for a demo or a benchmark: loopback only, on a port that is free."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

SOCKET_BYTES_MAX = 600 * 1024
"""Of one WebSocket message: a capture's largest frame, and so much more that one which is a little
too large is told so."""
SOCKET_QUEUE_MAX = 2
"""Messages that wait to be read: captures have one in flight."""


def free_socket() -> socket.socket:
    """A listening socket on 127.0.0.1; callers may connect before a server takes it."""
    # With its protocol named, asyncio turns Nagle's algorithm off; else each answer waits 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


@contextmanager
def served(application: ASGIApp, listening: socket.socket) -> Iterator[str]:
    """Serve in a thread until the end of the block; gives the base address. The socket stays open.

    Forwarded addresses are not believed: everybody on loopback could send them.
    """
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="off",
        ws_max_size=SOCKET_BYTES_MAX,
        ws_max_queue=SOCKET_QUEUE_MAX,
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="loopback", daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
