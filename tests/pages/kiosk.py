"""A kiosk in a browser, as somebody touches it; errors of the console are kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

from pages.chromium import launched
from pages.world import CERTIFICATE, World
from shualian.core.identifiers import TerminalId

CAMERA = Path(__file__).parent / "camera.js"
WAIT_MS = 60_000
"""A limit for what hangs; nothing here is about how long anything takes."""

SCANS_MAX = 12
MISSED = ("not_live", "challenge_missed", "timeout", "not_matched")
"""What a machine that is too busy to look at every frame makes of somebody who did all right."""

_REFUSED = tuple(
    f"Failed to load resource: the server responded with a status of {status}"
    for status in (409, 503)
)

expect.set_options(timeout=WAIT_MS)


class Kiosk:
    """One page on one terminal."""

    def __init__(self, world: World, page: Page) -> None:
        self.world = world
        self.page = page
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def open(self) -> "Kiosk":
        """The address that a terminal starts with."""
        self.page.goto(f"{self.world.origin}/kiosk/")
        return self

    def enrolled(self) -> "Kiosk":
        """Enrol with a code, and be approved after the fingerprint was compared."""
        self.open()
        invitation = self.world.invite()
        self.part("code").fill(invitation.code.text.lower())
        self.part("certificate").fill(CERTIFICATE)
        self.touch("enrol")
        fingerprint = self.part("fingerprint").inner_text()
        self.world.approve(invitation.terminal_id, fingerprint)
        self.at("asleep")
        return self

    @property
    def terminal_id(self) -> TerminalId:
        """The newest terminal's, which is this page's."""
        script = """() => new Promise((done) => {
            const opening = indexedDB.open('shualian-terminal', 1)
            opening.onsuccess = () => {
              const reading = opening.result.transaction('kept').objectStore('kept').get('identity')
              reading.onsuccess = () => done(reading.result.terminalId)
            }
        })"""
        return TerminalId(str(self.page.evaluate(script)))

    def part(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def touch(self, *names: str) -> "Kiosk":
        for name in names:
            self.part(name).click()
        return self

    def types(self, keys: str) -> "Kiosk":
        """On the keys of the page."""
        for key in keys:
            self.page.locator(".key", has_text=key).first.click()
        return self

    def at(self, state: str) -> "Kiosk":
        """Wait until the page stands there."""
        expect(self.page.locator(f"[data-at={state}]")).to_be_visible()
        return self

    def found(self, anew: Callable[[], object] | None = None) -> "Kiosk":
        """Wait through the scan; a turn that a busy machine missed is made again, as people do.

        Args:
            anew: Leads from the home page to the scan again: after three times nobody is asked to
                try the face once more.
        """
        for _ in range(SCANS_MAX):
            over = self.page.locator("[data-at=identity], [data-at=refused]")
            expect(over).to_be_visible()
            if over.get_attribute("data-at") == "identity":
                break
            missed = self.part("reason").get_attribute("data-code")
            assert missed in MISSED, self.text()
            if self.part("exit-again").count():
                self.touch("exit-again")
            elif anew is not None:
                self.touch("exit-home").at("home")
                anew()
        return self.at("identity")

    def cameras(self, count: int) -> "Kiosk":
        """Wait until so many cameras are open; only the simulated one counts them."""
        expect(self.page.locator("html")).to_have_attribute("data-cameras", str(count))
        return self

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def _heard(self, kind: str, text: str) -> None:
        # A refusal is an answer; the browser writes a line for each of them all the same.
        if kind in {"error", "warning"} and not text.startswith(_REFUSED):
            self.errors.append(text)

    def _asked(self, address: str) -> None:
        if not address.startswith((self.world.origin, "blob:")):
            self.outside.append(address)


@contextmanager
def kiosk_in(
    world: World,
    *,
    flags: Sequence[str] = (),
    camera: bool = True,
    width: int = 1080,
    height: int = 1200,
) -> Iterator[Kiosk]:
    """A browser of its own, with the simulated camera unless another one is given by flags."""
    with launched(flags, width=width, height=height) as context:
        if camera:
            context.add_init_script(path=CAMERA)
        yield Kiosk(world, first_page(context))


def first_page(context: BrowserContext) -> Page:
    """The page that a browser opens with."""
    return context.pages[0] if context.pages else context.new_page()
