"""Debian's Chromium by Playwright: nothing is downloaded, and it reaches nothing outside."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from playwright.sync_api import BrowserContext, Playwright, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"
).split()


@cache
def driver() -> Playwright:
    """One for the whole run: two of them in one thread exclude each other."""
    return sync_playwright().start()


@contextmanager
def launched(
    flags: Sequence[str] = (), *, width: int = 1080, height: int = 1200
) -> Iterator[BrowserContext]:
    """A browser with a new profile, gone afterwards."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as profile:
        context = driver().chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            args=[*FLAGS, *flags],
            viewport={"width": width, "height": height},
            locale="zh-CN",
        )
        yield context
        context.close()
