"""Pictures of every screen, to be looked at: ``make screenshots``; not a test.

Chinese and English, standard and large, on the kiosk's own screen of 1080 x 1920, and a few on a
short and on a wide one. The words and people in them are made up.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from pages.chromium import driver, launched

SIZES = {"tall": (1080, 1920), "short": (1080, 1200), "wide": (1920, 1080)}
VARIANTS = ("", "&large", "&english", "&english&large")
ELSEWHERE = ("&large", "&english")
"""Variants that are looked at on the two other screens too."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """No line for each request."""


@contextmanager
def _gallery(dist: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(dist))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/gallery/"
    server.shutdown()


def _wanted(size: str) -> Sequence[str]:
    return VARIANTS if size == "tall" else ELSEWHERE


def take(dist: Path, folder: Path, only: Sequence[str] = ()) -> int:
    """Write the pictures; gives how many."""
    count = 0
    with _gallery(dist) as address, launched() as context:
        page = context.new_page()
        page.goto(address)
        screens = (page.evaluate("document.body.dataset.screens") or "").split()
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for variant in _wanted(size):
                part = folder / size / (variant.replace("&", "-").strip("-") or "standard")
                part.mkdir(parents=True, exist_ok=True)
                for screen in screens:
                    if only and screen not in only:
                        continue
                    page.goto(f"{address}?screen={screen}{variant}", wait_until="commit")
                    page.wait_for_selector("h1")
                    page.screenshot(path=part / f"{screen}.png")
                    count += 1
    return count


if __name__ == "__main__":
    made = take(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    driver().stop()
    print(f"{made} pictures in {sys.argv[2]}")  # noqa: T201
