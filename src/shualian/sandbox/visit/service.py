"""The whole visit: a sample province is loaded and served, and played from touch to medicine.

Everything goes through the real HTTP and WebSocket interfaces of a server process of its own, with
real pixels. What is simulated says so: terminals have their keys in files, faces are sample
pictures in small motion, the police registry and the e-wallet are stand-ins. So the run proves the
plumbing and the rules, and says nothing about live people; error rates are in
``docs/biometrics.md``.
"""

import json
import subprocess
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from shualian.core.clock import Clock
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.face.engine import FaceEngine
from shualian.face.model import Box, Picture
from shualian.face.weights.source import WeightSource
from shualian.sandbox.authenticator import Authenticator
from shualian.sandbox.province.cast import COMPANION, ELSEWHERE, INPATIENT, VISITOR
from shualian.sandbox.province.hospital import PASSPHRASE
from shualian.sandbox.province.model import OTHER_REGION, PHYSICIAN_CODE
from shualian.sandbox.province.service import (
    PORTS,
    PROVINCE_FILE,
    SETTINGS_FILE,
    Ports,
    load_province,
)
from shualian.sandbox.samples import sample_pictures
from shualian.sandbox.steps import VisitWentWrong, expect, marked
from shualian.sandbox.visit.books import Books
from shualian.sandbox.visit.clients import AnsweredNo
from shualian.sandbox.visit.examinations import ExaminationDesk
from shualian.sandbox.visit.faces import Faces
from shualian.sandbox.visit.kiosk import Kiosk
from shualian.sandbox.visit.pharmacy import Dispensary
from shualian.sandbox.visit.room import DEPARTMENT, ConsultingRoom
from shualian.sandbox.visit.server import free_ports, serving, wait_until_healthy
from shualian.sandbox.visit.stage import FIRST_HOSPITAL, Stage
from shualian.sandbox.visit.story import Act, Done, Paid, Visit, VisitStep
from shualian.sandbox.visit.strangers import Strangers
from shualian.sandbox.visit.ward import WardFloor
from shualian.sandbox.visit.window import CashierWindow

RESIDENTS = 300
"""Made-up people beside those who play; enough for a face to be looked for among many."""
LOG_FILE = "server.log"

_HONEST = (Refused, AnsweredNo, VisitWentWrong, httpx.HTTPError)
_BY_DOCTOR = {"dept_code": DEPARTMENT, "doctor": PHYSICIAN_CODE}


class WholeVisit:
    """Plays the steps; one that does not hold ends it.

    Attributes:
        faces: Who stood before cameras, once the province is served.
        elsewhere: The visit of the person who is insured in the other region.
        addresses: What may be opened in a browser, by what it is.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, seed: int, people: int, opened: ExitStack
    ) -> None:
        """Nothing is loaded before :meth:`play`.

        Args:
            folder: New or empty; keeps everything.
            clock: The machine's, by which the server goes too.
            seed: Of the province and of the simulated video.
            people: Made-up insured persons.
            opened: Ends the server and the connections.
        """
        self.visitor, self.companion = Visit(VISITOR), Visit(COMPANION)
        self.inpatient, self.elsewhere = Visit(INPATIENT), Visit(ELSEWHERE)
        self.addresses: Mapping[str, str] = {}
        self.faces: Faces
        self._folder = folder
        self._clock = clock
        self._seed = seed
        self._people = people
        self._opened = opened
        self._settings: Settings
        self._server: subprocess.Popen[bytes] | None = None

    def play(self) -> Iterator[VisitStep]:
        """The steps in order, each when it is done."""
        for acts in (self._opening, self._course, self._others, self._refusals, self._end):
            for name, act in acts():
                step = self._told(_timed(name, act))
                yield step
                if not step.ok:
                    return

    def _told(self, step: VisitStep) -> VisitStep:
        """A step that failed because the server was gone says so."""
        code = None if self._server is None else self._server.poll()
        if step.ok or code is None:
            return step
        return replace(step, detail=f"{step.detail} (the server ended with status {code})")

    @property
    def receipt(self) -> tuple[str, ...]:
        """The receipt that names both regions' rules."""
        return tuple(marked(line) for line in self.elsewhere.receipts)

    # --- the acts --------------------------------------------------------------------------------

    def _opening(self) -> Iterator[tuple[str, Act]]:
        yield "province_loaded", self._load
        yield "served", self._serve

    def _course(self) -> Iterator[tuple[str, Act]]:
        visitor, companion = self.visitor, self.companion
        stage = self._stage
        self._kiosk, self._room = Kiosk(stage), ConsultingRoom(stage)
        self._desk, self._pharmacy = ExaminationDesk(stage), Dispensary(stage)
        self._window = CashierWindow(stage)
        yield "registered_by_document", partial(self._window.register, companion, **_BY_DOCTOR)
        yield "order_of_absent_doctor_is_refused", partial(self._absent_doctor, companion)
        yield "doctor_signs_in", self._room.sign_in
        yield "activated", partial(self._kiosk.activate, visitor)
        yield "registered", partial(self._kiosk.register, visitor, **_BY_DOCTOR)
        yield "called_and_recognised", partial(self._room.receive, visitor)
        yield "examinations_ordered", partial(self._room.order_examinations, visitor)
        yield "one_scan_payment", partial(self._room.pay, visitor)
        yield "examined", partial(self._examined, visitor)
        yield "medicine_prescribed", partial(self._prescribed, visitor)
        yield "reports_collected", partial(self._desk.collect, visitor)
        yield "medicine_paid_and_released", partial(self._pharmacy.release, visitor)

    def _others(self) -> Iterator[tuple[str, Act]]:
        ward = WardFloor(self._stage)
        yield "same_by_document", self._same_by_document
        yield "admitted", partial(ward.admit, self.inpatient)
        yield "settled_at_the_bed", partial(ward.settle, self.inpatient)
        yield "insured_elsewhere", self._insured_elsewhere

    def _refusals(self) -> Iterator[tuple[str, Act]]:
        strangers = Strangers(self._stage, _largest_face(self._settings), seed=self._seed)
        yield "stranger_is_unknown", strangers.unknown
        yield "screen_is_refused", partial(strangers.screen, self.visitor)
        yield "consent_withdrawn", partial(self._kiosk.withdraw, self.visitor)

    def _end(self) -> Iterator[tuple[str, Act]]:
        books = Books(self._stage, self._settings)
        yield "books_agree", books.agree
        yield "audit_holds", books.audited

    # --- opening ---------------------------------------------------------------------------------

    def _load(self) -> Done:
        told: list[str] = []
        load_province(
            self._folder,
            seed=self._seed,
            clock=self._clock,
            people=self._people,
            ports=Ports(free_ports(PORTS)),
            tell=told.append,
        )
        return Done("示例省已载入（都是编的）：" + "；".join(told))

    def _serve(self) -> Done:
        file = self._folder / SETTINGS_FILE
        self._settings = Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        server = self._opened.enter_context(serving(file, log=self._folder / LOG_FILE))
        self._server = server
        hospital = next(each for each in self._settings.hospitals if each.code == FIRST_HOSPITAL)
        self.addresses = {
            "自助机（医院终端）": f"{hospital.terminal_origin}/kiosk/",
            "医院员工": f"{hospital.staff_origin}/staff/",
            "医保员工": f"{self._settings.staff_origin}/staff/",
        }
        for origin in (hospital.terminal_origin, hospital.staff_origin):
            report = wait_until_healthy(origin, server)
            expect(report["mode"] == "sandbox", "the sandbox", report["mode"])
        self.faces = Faces(sample_pictures(), seed=self._seed, clock=self._clock)
        known = json.loads((self._folder / PROVINCE_FILE).read_text(encoding="utf-8"))
        passkey = known["passkeys_of_sample_administrators"][FIRST_HOSPITAL]
        self._stage = Stage(
            self._settings,
            {name: self._folder / at for name, at in known["terminals"][FIRST_HOSPITAL].items()},
            Authenticator.loaded(passkey),
            self.faces,
            clock=self._clock,
            opened=self._opened,
        )
        return Done(
            f"shualian serve 在自己的进程里监听：终端 {hospital.terminal_origin}，"
            f"医院员工 {hospital.staff_origin}；样例账号的口令：{PASSPHRASE}"
        )

    # --- acts of several places ------------------------------------------------------------------

    def _absent_doctor(self, visit: Visit) -> Done:
        self._room.receive_by_document(visit)
        return self._room.refuse_unsigned(visit)

    def _examined(self, visit: Visit) -> Done:
        self._room.send_to_examinations(visit)
        return self._desk.examine(visit)

    def _prescribed(self, visit: Visit) -> Done:
        self._room.back_with_results(visit)
        return self._room.prescribe(visit)

    def _same_by_document(self) -> Done:
        """Promise 4: a person insured as the visitor is, who shows a document at every desk."""
        visit = self.companion
        self._room.order_examinations(visit)
        self._window.open_drawer()
        self._window.pay(visit)
        self._room.send_to_examinations(visit)
        self._desk.examine_by_document(visit)
        self._prescribed(visit)
        self._pharmacy.release_by_document(visit)
        by_face, by_document = (
            [bill.split for bill in each.bills] for each in (self.visitor, visit)
        )
        expect(by_face == by_document, f"the split by face {by_face}", by_document)
        return Done(
            "参保情况相同的另一个人全程凭身份证办：每张账单和刷脸的一分不差"
            "（总额、基金、个人账户、本人自付）",
            Paid.together(visit.bills),
        )

    def _insured_elsewhere(self) -> Done:
        visit = self.elsewhere
        self._window.register(visit, **_BY_DOCTOR)
        self._room.receive_by_document(visit)
        self._room.prescribe_only(visit)
        done = self._window.pay_by_face(visit)
        rules = [line for line in visit.receipts if OTHER_REGION in line]
        expect(bool(rules), "a receipt that names both regions", len(visit.receipts))
        return Done(f"{done.detail}；参保地 {OTHER_REGION}：{rules[0].strip()}", done.paid)


@contextmanager
def whole_visit(
    folder: Path, *, clock: Clock, seed: int, people: int = RESIDENTS
) -> Iterator[WholeVisit]:
    """A visit to be played; what it serves ends with the block."""
    with ExitStack() as opened:
        yield WholeVisit(folder, clock=clock, seed=seed, people=people, opened=opened)


def _timed(name: str, act: Act) -> VisitStep:
    began = time.perf_counter()
    try:
        done, ok = act(), True
    except _HONEST as failure:
        done, ok = Done(f"{type(failure).__name__}: {failure}"), False
    if done.paid is not None and not done.paid.adds_up:
        done, ok = Done(f"expected payers that add up, found {done.paid}"), False
    ms = round((time.perf_counter() - began) * 1000)
    return VisitStep(name, ok, marked(done.detail), ms, done.paid, done.own)


class _largest_face:  # noqa: N801 - a function that loads its engine when it is first called
    def __init__(self, settings: Settings) -> None:
        self._weights_dir = settings.weights_dir

    def __call__(self, picture: Picture) -> Box:
        face = FaceEngine(WeightSource(self._weights_dir)).inspect(picture).face
        if face is None:
            raise VisitWentWrong("expected a face on the instrument, found none")
        return face.box
