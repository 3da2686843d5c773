"""Where a visit is played: the terminals at their places, and the staff at their desks."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from shualian.core.clock import Clock
from shualian.core.identifiers import CommandId, InstitutionCode, new_identifier
from shualian.core.settings import HospitalSettings, Settings
from shualian.sandbox.authenticator import Authenticator
from shualian.sandbox.province.hospital import PASSPHRASE
from shualian.sandbox.visit.clients import StaffAtDesk, TerminalAtPlace
from shualian.sandbox.visit.faces import Faces

FIRST_HOSPITAL = InstitutionCode("H99000000001")
HALL_1, HALL_2 = "一层大厅 1 号机", "一层大厅 2 号机"
CASHIER = "一层收费 1 号窗口"
EXAMINATION_DESK = "二层检查登记台"
DISPENSARY = "一层药房 1 号窗口"
WARD_TABLET = "五层病区移动终端"

ADMINISTRATOR = "administrator"
"""Signs in with a passkey; everybody else with the pass-phrase of the sample accounts."""


class Stage:
    """One hospital's terminals and staff over HTTP; each is opened when it is first needed."""

    def __init__(
        self,
        settings: Settings,
        terminals: Mapping[str, Path],
        passkey: Authenticator,
        faces: Faces,
        *,
        clock: Clock,
        opened: ExitStack,
    ) -> None:
        """Describe it; ``opened`` closes the connections.

        Args:
            settings: Of the server that runs.
            terminals: Folders of the first hospital's terminals by place.
            passkey: Of the first hospital's administrator.
            faces: Who can stand before a camera.
            clock: For signatures.
            opened: Owns what is opened.
        """
        self.faces = faces
        self.clock = clock
        self.hospital = _first(settings)
        self._folders = terminals
        self._passkey = passkey
        self._opened = opened
        self._terminals: dict[str, TerminalAtPlace] = {}
        self._staff: dict[str, StaffAtDesk] = {}

    def terminal(self, place: str) -> TerminalAtPlace:
        """The terminal that stands there."""
        if place not in self._terminals:
            made = TerminalAtPlace(
                self._folders[place], origin=self.hospital.terminal_origin, clock=self.clock
            )
            self._opened.callback(made.close)
            self._terminals[place] = made
        return self._terminals[place]

    def staff(self, login: str) -> StaffAtDesk:
        """A member of staff who is signed in."""
        if login not in self._staff:
            made = StaffAtDesk(self.hospital.staff_origin)
            self._opened.callback(made.close)
            if login == ADMINISTRATOR:
                made.sign_in_with_passkey("hospital", self._passkey)
            else:
                made.sign_in("hospital", login=login, password=PASSPHRASE)
            self._staff[login] = made
        return self._staff[login]


def command() -> CommandId:
    """A new number of a command."""
    return CommandId(new_identifier())


def _first(settings: Settings) -> HospitalSettings:
    (found,) = [each for each in settings.hospitals if each.code == FIRST_HOSPITAL]
    return found
