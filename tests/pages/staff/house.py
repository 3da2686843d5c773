"""A hospital and its insurer as a server of their own, for the pages of staff.

The sample province is loaded small; what stands before a test's own task is brought about over
HTTP, so that each test begins where its role does. All people and numbers are made up.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import BrowserContext, Page, Route, expect

from pages.chromium import launched
from pages.kiosk import CAMERA
from pages.world import Somebody
from shualian.assembly import House as BothHalves
from shualian.assembly import open_house
from shualian.core.clock import CHINA, SettableClock, SystemClock, business_date
from shualian.core.id_number import SANDBOX_REGION, IdNumber
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    StaffId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.hospital.model import DocumentEvidence
from shualian.hospital.scheduling.model import Doctor
from shualian.hospital.wards.stays.model import CheckReason, NursingClass, StaffCheck
from shualian.insurer.channels.api import ACTIVATIONS_PATH, CODES_PATH
from shualian.insurer.channels.model import FaceCheckMethod
from shualian.sandbox import city
from shualian.sandbox.authenticator import Authenticator
from shualian.sandbox.insured_city import CityPerson
from shualian.sandbox.player import Actor
from shualian.sandbox.province.cast import INPATIENT, VISITOR, Player
from shualian.sandbox.province.hospital import PASSPHRASE, WARD_DEPARTMENT
from shualian.sandbox.province.model import (
    PHYSICIAN_CODE,
    PHYSICIAN_NAME,
    Resident,
    sample_province,
)
from shualian.sandbox.province.service import (
    PORTS,
    PROVINCE_FILE,
    Ports,
    load_province,
    settings_of,
)
from shualian.sandbox.samples import sample_pictures
from shualian.sandbox.visit.clients import StaffAtDesk
from shualian.sandbox.visit.faces import Faces
from shualian.sandbox.visit.kiosk import Kiosk, session_of
from shualian.sandbox.visit.server import (
    free_ports,
    on_loopback,
    serving,
    wait_until_healthy,
)
from shualian.sandbox.visit.stage import Stage
from shualian.sandbox.visit.story import Visit
from shualian.staff.model import INSURER
from shualian.terminals.agent.service import RequestSigner
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.model import ConsentPurpose

PEOPLE = 120
EMPLOYEE, RESIDENT = "310", "390"
"""Only employees have a personal account, from which an own share may be paid."""
SEED = 7
FIRST = InstitutionCode("H99000000001")
DOCTOR = "doctor01"
DEPARTMENT = "0301"
WIDE = (1600, 1000)
TABLET = (1024, 1366)
MEDICINE = {
    "code": "YP001",
    "count": 2,
    "use": {"dose": "2 粒", "frequency": "每日三次", "route": "口服", "days": 7},
}
LABORATORY = {"code": "HY001", "count": 1}
CARD, PIN = "E99000001", "284706"
_STAFF = "/hospital/v1"
_CHANNEL = "sample-wallet"
_SIGNED = count(100, 100)
_NURSE = StaffId("SANDBOX-NURSE")
_IN_CHARGE = Doctor(PHYSICIAN_CODE, PHYSICIAN_NAME)


@dataclass(frozen=True, slots=True)
class Bedridden:
    """In-patients whom the insurer has drawn for a ward check, by the numbers of their stays.

    Attributes:
        missed: Drawn yesterday too, and nobody answered in time.
        open: Drawn today only.
    """

    missed: EncounterNo
    open: EncounterNo


class House:
    """The server, and what happens in it before a page is opened."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._opened = opened
        self._staff: dict[str, StaffAtDesk] = {}
        self._boxes = count(1)
        self._certificate = ""
        self._activated: dict[str, str] = {}
        self._begun: set[str] = set()
        self._desks = count(1)
        self._visitor: Visit | None = None
        province = sample_province(SEED, people=PEOPLE)
        ports = Ports(free_ports(PORTS))
        where = folder / "province"
        loaded = load_province(where, seed=SEED, clock=SystemClock(), people=PEOPLE, ports=ports)
        self.settings = settings_of(where, province.hospitals, ports)
        self.hospital = self.settings.hospitals[0]
        known = json.loads((where / PROVINCE_FILE).read_text("utf-8"))
        saved = known["passkeys_of_sample_administrators"][FIRST]
        self.passkey: Mapping[str, str] = saved
        self._terminals: Mapping[str, Path] = loaded.terminals[FIRST]
        # Insured in this region, the richest personal account first; each for one test.
        here = [each for each in province.residents if _insured_here(each)]
        by_balance = sorted(here, key=lambda each: each.balance_fen, reverse=True)
        self._people = [each.person for each in by_balance]
        self._made_up = {each.id_number.value: each for each in self._people}
        self.supervisor, self.card_holder, self.bedridden = self._before_serving()
        server = opened.enter_context(serving(loaded.settings_file, log=folder / "server.log"))
        wait_until_healthy(self.hospital.staff_origin, server)
        self._confirm_doctor()
        # Before any browser: this one counts no signatures, and must not seem an older copy.
        self.at_insurer()
        self.open_drawer()

    def next_person(self, insutype: str = EMPLOYEE, *, poor: bool = False) -> str:
        """The ID number of somebody who has no business with another test."""
        people = reversed(self._people) if poor else self._people
        found = next(each for each in people if each.insurance.insutype == insutype)
        self._people.remove(found)
        return found.id_number.value

    def shows_code(self, person: str) -> str:
        """What somebody's application shows as a QR code; good for 30 seconds."""
        if person not in self._activated:
            self._activated[person] = self._activate_by_channel(self._made_up[person])
        shown = self._channel(CODES_PATH, {"ec_token": self._activated[person]})
        return str(shown["token"])

    def next_box(self) -> str:
        """The trace code of a box of medicine that nobody has handed out."""
        return f"8{next(self._boxes):019d}"

    def staff(self, login: str) -> StaffAtDesk:
        """Somebody of the hospital, signed in over HTTP."""
        if login not in self._staff:
            made = StaffAtDesk(self.hospital.staff_origin)
            self._opened.callback(made.close)
            if login == "administrator":
                made.sign_in_with_passkey("hospital", Authenticator.loaded(self.passkey))
            else:
                made.sign_in("hospital", login=login, password=PASSPHRASE)
            self._staff[login] = made
        return self._staff[login]

    def open_drawer(self) -> None:
        """The first clerk is at work, with an empty drawer."""
        body = {"command_id": command(), "drawer": "1", "count": {}}
        self.staff("clerk1").post(f"{_STAFF}/cashier/shifts", body)

    def registered(self, person: str) -> str:
        """A visit of today, by document; its number."""
        clerk = self.staff("clerk1")
        clerk.post(
            f"{_STAFF}/records/open",
            {"command_id": command(), "evidence": document(person, command())},
        )
        session = session_of(
            clerk.get(f"{_STAFF}/scheduling/sessions", dept_code=DEPARTMENT, dr_code=PHYSICIAN_CODE)
        )
        made = clerk.post(
            f"{_STAFF}/scheduling/register",
            {
                "command_id": command(),
                "session_no": session["session_no"],
                "evidence": document(person, command()),
            },
        )
        return str(made["encounter_no"])

    def seen(self, encounter_no: str, *orders: tuple[str, Mapping[str, Any]]) -> None:
        """The doctor calls, says what it is, and signs orders; again, more orders."""
        doctor = self.staff(DOCTOR)
        if encounter_no not in self._begun:
            doctor.post(f"{_STAFF}/encounters/{encounter_no}/call", {})
            doctor.post(f"{_STAFF}/encounters/{encounter_no}/begin", {})
            self._begun.add(encounter_no)
        diagnosis = {"code": "J00", "name": "急性鼻咽炎", "kind": "1"}
        doctor.post(
            f"{_STAFF}/diagnoses",
            {"command_id": command(), "encounter_no": encounter_no, "diagnoses": [diagnosis]},
        )
        for kind, line in orders:
            draft = doctor.post(
                f"{_STAFF}/orders/drafts",
                {
                    "command_id": command(),
                    "encounter_no": encounter_no,
                    "kind": kind,
                    "lines": [line],
                },
            )
            doctor.post(f"{_STAFF}/orders/{draft['order_no']}/sign", {"acknowledged": []})

    def paid(self, encounter_no: str, person: str) -> None:
        """Settled on the document and paid in cash at the window."""
        clerk = self.staff("clerk1")
        bill = clerk.post(
            f"{_STAFF}/cashier/payments",
            {"command_id": command(), "encounter_no": encounter_no},
        )
        path = f"{_STAFF}/cashier/payments/{bill['payment']}"
        settled = clerk.post(
            f"{path}/settlement", {"evidence": document(person, bill["intent_id"])}
        )
        due = settled["amounts"]["psn_cash_pay"]
        if due:
            tender = {"kind": "cash", "given_fen": due}
            clerk.post(f"{path}/taking", {"command_id": command(), "tenders": [tender]})

    def ordered_in_bed(self, bed_no: str) -> None:
        """A doctor orders something for whoever lies in this bed."""
        doctor = self.staff(DOCTOR)
        stay = next(
            each for each in doctor.get(f"{_STAFF}/wards/stays") if each["bed_no"] == bed_no
        )
        doctor.post(
            f"{_STAFF}/wards/stays/{stay['stay_no']}/orders",
            {
                "command_id": command(),
                "doctor": {"dr_code": PHYSICIAN_CODE, "dr_name": "钱示范"},
                "lines": [{"medins_list_codg": LABORATORY["code"], "cnt": "1"}],
            },
        )

    def model_for_browsers(self) -> str:
        """The certificate of a model for browsers; the supervisor has registered it."""
        if self._certificate:
            return self._certificate
        body = {
            "certificate": "BROWSER-0001",
            "maker": "示例",
            "model": "Chromium",
            "terminal_class": "browser",
            "valid_until": "2099-12-31",
            "software_min": "0",
            "software_current": "0.1",
        }
        self.at_insurer().post("/terminals/models", body)
        self._certificate = body["certificate"]
        return self._certificate

    def at_insurer(self) -> StaffAtDesk:
        """The supervisor, signed in over HTTP."""
        if "supervisor" not in self._staff:
            made = StaffAtDesk(self.settings.staff_origin)
            self._opened.callback(made.close)
            made.sign_in_with_passkey("insurer", Authenticator.loaded(self.supervisor))
            self._staff["supervisor"] = made
        return self._staff["supervisor"]

    def place_at_desk(self, at: str) -> Mapping[str, str]:
        """A place for a browser that stands at a desk, and the code for who sets it up."""
        name = f"{at} {next(self._desks)} 号"
        body = {
            "name": name,
            "department": "门诊",
            "latitude": 39.9,
            "longitude": 116.4,
            "fence_m": 100,
            "terminal_class": "browser",
            "scenes": ["01103", "01203", "01301", "01302", "09001"],
            "mobile": False,
            "networks": [],
        }
        made: Mapping[str, str] = self.staff("administrator").post("/terminals/places", body)
        return {**made, "name": name}

    def visitor(self) -> Visit:
        """Somebody with a face, who has activated it at the kiosk and registered for today."""
        if self._visitor is None:
            self._visitor = self._activated_by_face(VISITOR)
            self._kiosk.register(self._visitor, dept_code=DEPARTMENT, doctor=PHYSICIAN_CODE)
        return self._visitor

    def in_bed(self, bed_no: str) -> Visit:
        """Somebody with a face who lies in this bed, admitted by document; something is ordered."""
        visit = self._activated_by_face(INPATIENT)
        nurse = self.staff("nurse1")
        opened = nurse.post(
            f"{_STAFF}/records/open",
            {"command_id": command(), "evidence": visit.document(command())},
        )
        stay = nurse.post(
            f"{_STAFF}/wards/stays",
            {
                "command_id": command(),
                "record_no": opened["record_no"],
                "ward": WARD_DEPARTMENT,
                "bed_no": bed_no,
                "nursing": "two",
                "doctor": {"dr_code": PHYSICIAN_CODE, "dr_name": PHYSICIAN_NAME},
                "evidence": visit.document(command()),
                "reason": "document",
            },
        )
        visit.encounter_no = stay["stay_no"]
        self.ordered_in_bed(bed_no)
        return visit

    def _activated_by_face(self, player: Player) -> Visit:
        visit = Visit(player)
        self._kiosk.activate(visit)
        return visit

    @cached_property
    def _kiosk(self) -> Kiosk:
        """The kiosk in the hall."""
        faces = Faces(sample_pictures(), seed=SEED, clock=SystemClock())
        stage = Stage(
            self.settings,
            self._terminals,
            Authenticator.loaded(self.passkey),
            faces,
            clock=SystemClock(),
            opened=self._opened,
        )
        return Kiosk(stage)

    def _activate_by_channel(self, person: CityPerson) -> str:
        notice = self._notice_version
        check = {
            "method": FaceCheckMethod.LIVE_WITH_REGISTRY.value,
            "checked_at": datetime.now(UTC).isoformat(),
            "reference": new_identifier(),
        }
        body = {
            "request_no": new_identifier(),
            "certno": person.id_number.value,
            "psn_name": person.name,
            "face_check": check,
            "consents": [ConsentPurpose.COMPARISON.value],
            "notice_version": notice,
        }
        return str(self._channel(ACTIVATIONS_PATH, body)["ec_token"])

    def _channel(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request of a certified wallet, signed."""
        answer = self._wallet.post(path, json=body)
        assert answer.is_success, answer.text
        found: Mapping[str, Any] = answer.json()
        return found

    @cached_property
    def _wallet(self) -> httpx.Client:
        """A wallet's server; the insurer has certified its key."""
        key = SigningKey.generate(Algorithm.SM2_SM3)
        body = {
            "code": _CHANNEL,
            "name": "示例钱包",
            "algorithm": key.public_key.algorithm.value,
            "public_key": base64.b64encode(key.public_key.raw).decode(),
        }
        self.at_insurer().post("/channels", body)
        origin = self.settings.channel_origin
        signer = RequestSigner(key, origin=origin, clock=SystemClock())
        made = httpx.Client(base_url=on_loopback(origin), auth=signer, trust_env=False)
        self._opened.callback(made.close)
        return made

    def _confirm_doctor(self) -> None:
        body = {
            "command_id": command(),
            "doctor": PHYSICIAN_CODE,
            "dept_code": DEPARTMENT,
            "reason": "terminal_down",
        }
        self.staff("administrator").post("/supervision/doctors/confirmed-sign-ins", body)

    def _before_serving(self) -> tuple[Mapping[str, str], str, Bedridden]:
        """What needs no server, or another time of day: while nobody else holds the databases."""
        now = datetime.now(UTC)
        clock = SettableClock(now)
        settings = self.settings.model_copy(
            update={"ward_draws_per_day": 1, "ward_draw_share": 1.0}
        )
        with ExitStack() as opened:
            house = open_house(opened, settings, mode=Mode.SANDBOX, clock=clock)
            self._notice_version = house.insurer.insured.notices.current.version
            supervisor = self._bootstrap(house).saved()
            holder = self._with_card(house)
            bedridden = self._draw(house, clock, now)
        return supervisor, holder, bedridden

    def _bootstrap(self, house: BothHalves) -> Authenticator:
        """The insurer's first supervisor, as from the command line, with a passkey."""
        staff = house.insurer.staff
        made = staff.accounts.bootstrap(employer=INSURER, login="supervisor", name="示例监管员")
        key = Authenticator(origin=self.settings.staff_origin)
        options = staff.credentials.enrolment_options(code=made.code)
        staff.credentials.enrol_passkey(key.create(options), code=made.code)
        return key

    def _with_card(self, house: BothHalves) -> str:
        """Somebody with :data:`CARD` and its PIN."""
        person = self.next_person()
        psn_no = house.insurer.insured.persons.by_number(IdNumber(person))
        assert psn_no is not None
        house.insurer.cards.issue(psn_no, CARD)
        house.insurer.insured.pins.reset_at_window(psn_no, PIN, actor=city.ADMINISTRATOR)
        return person

    def _draw(self, house: BothHalves, clock: SettableClock, now: datetime) -> Bedridden:
        """Two in-patients; one was drawn yesterday and nobody came, both are drawn today."""
        today = business_date(now)
        checks = house.insurer.supervision.ward_checks
        # Draws are made in the daytime only, and these tests run at any hour.
        clock.set(datetime.combine(today - timedelta(days=1), time(20), CHINA))
        missed = self._admitted(house, "10")
        checks.tick()
        clock.set(now)
        here = self._admitted(house, "11")
        clock.set(datetime.combine(today, time(23, 59), CHINA))
        checks.tick()
        return Bedridden(missed, here)

    def _admitted(self, house: BothHalves, bed_no: str) -> EncounterNo:
        (hospital, *_) = house.hospitals
        number = IdNumber(self.next_person(RESIDENT))

        def shown() -> DocumentEvidence:
            return DocumentEvidence(number, _NURSE, IntentId(new_identifier()))

        record = hospital.records.open_record(command_id=command(), evidence=shown())
        stay = hospital.wards.stays.admit(
            command_id=command(),
            record_no=record.record_no,
            ward=WARD_DEPARTMENT,
            bed_no=bed_no,
            nursing=NursingClass.TWO,
            doctor=_IN_CHARGE,
            evidence=shown(),
            check=StaffCheck(_NURSE, CheckReason.DOCUMENT),
        )
        return stay.stay_no


def _insured_here(resident: Resident) -> bool:
    return resident.person.insurance.insuplc_admdvs == SANDBOX_REGION


def command() -> CommandId:
    """A number for a command."""
    return CommandId(new_identifier())


def document(person: str, intent_id: str) -> Mapping[str, str]:
    """A document that is seen at a window."""
    return {"kind": "document", "id_number": person, "intent_id": intent_id}


class Browser:
    """Somebody's browser; notes every word on the console and every refused policy."""

    def __init__(self, context: BrowserContext, origin: str, path: str) -> None:
        self.context = context
        self._path = path
        self.page: Page = context.pages[0]
        self.said: list[str] = []
        self._origin = origin
        context.on("page", self._listen)
        self._listen(self.page)

    def _listen(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        # A refusal is an answer of its own status, which Chromium writes down by itself; a
        # terminal that waits for its approval is refused for a while (503).
        allowed = ("409", "503") if self._path == "kiosk" else ("409",)
        refused = any(f"status of {status}" in text for status in allowed)
        if kind in {"error", "warning"} and not refused:
            self.said.append(text)

    def open(self, where: str = "") -> Page:
        """The pages, with nobody signed in."""
        self.page.goto(f"{self._origin}/{self._path}/{where}")
        return self.page

    def sign_in(self, login: str) -> Page:
        """Sign in with the pass-phrase of the sample accounts."""
        page = self.open()
        page.fill("#login", login)
        page.fill("#password", PASSPHRASE)
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("who")).to_be_visible()
        return page

    def hold_passkey(self, saved: Mapping[str, str] | None = None) -> None:
        """Give the browser an authenticator, with a passkey that was saved if one is given."""
        session = self.context.new_cdp_session(self.page)
        session.send("WebAuthn.enable")
        made = session.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        if saved is not None:
            session.send(
                "WebAuthn.addCredential",
                {
                    "authenticatorId": made["authenticatorId"],
                    "credential": _credential(saved),
                },
            )


def _credential(saved: Mapping[str, str]) -> Mapping[str, Any]:
    body = "".join(line for line in saved["key"].splitlines() if not line.startswith("-"))
    return {
        "credentialId": _base64(saved["credential_id"]),
        "isResidentCredential": True,
        "rpId": saved["rp_id"],
        "privateKey": body,
        "userHandle": _base64(saved["user_handle"]),
        # The same passkey in every browser, as on one device that counts on.
        "signCount": next(_SIGNED),
    }


def _base64(text: str) -> str:
    plain = text.replace("-", "+").replace("_", "/")
    return plain + "=" * (-len(plain) % 4)


class DeskTerminal(Browser):
    """A browser that is the terminal at a desk, with a simulated person before its camera."""

    def __init__(self, context: BrowserContext, origin: str, name: str) -> None:
        super().__init__(context, origin, "kiosk")
        self.name = name
        self._before = Somebody(Actor.of(sample_pictures()[VISITOR.seen]))
        context.add_init_script(path=CAMERA)
        context.route("**/a-simulated-person/**", self._seen)

    def stands_before(self, picture: str) -> None:
        """Who is before the camera from now on, by the name of a sample picture."""
        self._before = Somebody(Actor.of(sample_pictures()[picture]))

    def _seen(self, route: Route) -> None:
        prompt = parse_qs(urlsplit(route.request.url).query).get("prompt", [""])[0]
        route.fulfill(body=self._before.frame(prompt), content_type="image/jpeg")


def at_desk(house: House, at: str) -> Iterator[DeskTerminal]:
    """The terminal at a desk, enrolled and approved."""
    with launched(width=TABLET[0], height=TABLET[1]) as context:
        place = house.place_at_desk(at)
        made = DeskTerminal(context, house.hospital.terminal_origin, place["name"])
        page = made.open("#desk")
        page.get_by_test_id("code").fill(place["code"])
        page.get_by_test_id("certificate").fill(house.model_for_browsers())
        page.get_by_test_id("enrol").click()
        fingerprint = page.get_by_test_id("fingerprint").inner_text()
        house.at_insurer().post(
            f"/terminals/enrolments/{place['terminal_id']}/approval",
            {"key_id": fingerprint.replace(" ", "")},
        )
        expect(page.locator("[data-at=waiting]")).to_be_visible()
        yield made
        assert made.said == []


def browser(origin: str, size: tuple[int, int] = WIDE, *, path: str = "staff") -> Iterator[Browser]:
    """A browser for one test; at its end nothing was said on the console."""
    with launched(width=size[0], height=size[1]) as context:
        made = Browser(context, origin, path)
        yield made
        assert made.said == []
