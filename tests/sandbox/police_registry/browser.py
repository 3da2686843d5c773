"""A real Chromium without a window, driven over the pipe of its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --hide-scrollbars --use-fake-ui-for-media-stream"
    " --use-fake-device-for-media-stream --remote-debugging-pipe"
)


class Page:
    """One tab; commands are answered one after the other, events are kept."""

    def __init__(self, sending: int, receiving: int) -> None:
        self._to = os.fdopen(sending, "wb", buffering=0)
        self._from = os.fdopen(receiving, "rb", buffering=0)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def open(self, address: str) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.send(f"{domain}.enable")
        self.send("Page.navigate", url=address)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited in the page."""
        found = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait in the page until an expression holds; the test's own limit ends a wrong one."""
        self.run(
            "new Promise((done, fail) => { let left = 600; const look = () => {"
            f" let holds = false; try {{ holds = {condition} }} catch {{}}"
            " if (holds) done(true); else if (!left--) fail(new Error('never'));"
            " else setTimeout(look, 50) }; look() })"
        )

    def choose_file(self, selector: str, file: Path) -> None:
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def screenshot(self) -> bytes:
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        self._session = None
        self.send("Browser.close")
        self._to.close()
        self._from.close()

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = self._from.read(65_536)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(profile: Path, *, width: int = 1280, height: int = 1500) -> Iterator[Page]:
    """A browser with a new profile, gone afterwards."""
    assert CHROMIUM is not None
    to_browser, sending = os.pipe()
    receiving, from_browser = os.pipe()
    flags = f"{_FLAGS} --user-data-dir={profile} --window-size={width},{height}"
    started = subprocess.Popen(
        ["bash", "-c", f"exec {CHROMIUM} {flags} 3<&{to_browser} 4>&{from_browser}"],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    page = Page(sending, receiving)
    try:
        yield page
        page.close()
        started.wait(30)
    finally:
        started.kill()
        started.wait()
