"""An emergency room for tests: a gallery with known scores, an eye that sees, and staff."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import cv2
import numpy as np
from sqlalchemy import select

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId, TemplateId
from shualian.core.refusals import Refused
from shualian.face.calibration import OperatingPoint
from shualian.face.model import (
    NO_FACE,
    Box,
    DetectedFace,
    Hint,
    Measurement,
    Picture,
    Pose,
    Profile,
    Purpose,
    Quality,
)
from shualian.gallery.model import Candidate, Probe
from shualian.terminals.model import TERMINAL_NOT_FOUND, InstitutionStaff, InsurerStaff
from shualian.trust.audit import store as audit_store
from shualian.verification.emergency import store
from shualian.verification.emergency.model import (
    EmergencyAnswer,
    EmergencyId,
    EmergencyReason,
    ReviewFinding,
)
from shualian.verification.emergency.service import EmergencySearch
from shualian.verification.model import Identity

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
HOSPITAL, ELSEWHERE = InstitutionCode("H99000000001"), InstitutionCode("H99000000002")
NURSE = InstitutionStaff(StaffId("S01"), HOSPITAL)
DOCTOR = InstitutionStaff(StaffId("S02"), HOSPITAL)
STRANGER = InstitutionStaff(StaffId("S03"), ELSEWHERE)
SUPERVISOR = InsurerStaff(StaffId("S09"))
PEOPLE = [PersonNo(f"99000000{n}") for n in range(1, 6)]
THRESHOLD = 0.4
PATH = "yunet+sface/cosine"
NAMES = ("张建国", "李梅", "王秀英", "赵强", "陈静")
NUMBERS = (
    "990000195001010019",
    "990000195202020029",
    "990000196003030034",
    "990000197004040044",
    "990000198005050054",
)


class Eye:
    """Measures a picture by its brightness: black has no face."""

    def __init__(self) -> None:
        self.seen: list[Profile] = []

    def measure(self, frame: Picture, purpose: Purpose, *, profile: Profile) -> Measurement:
        assert purpose is Purpose.PROBE
        self.seen.append(profile)
        if not frame.any():
            raise Refused(NO_FACE)
        face = DetectedFace(Box(0, 0, 9, 9), np.zeros((5, 2), np.float32), 0.9)
        return Measurement(
            face=face,
            # The eyes are closed and nobody minds.
            quality=Quality({}, Hint.EYES_CLOSED, 10),
            pose=Pose(0, 0),
            passive_liveness=0.0,
            embedding=np.eye(1, 8, dtype=np.float32)[0],
            path_id=PATH,
        )


class Everybody:
    """A gallery of all people with scores known beforehand."""

    def __init__(self) -> None:
        self.scores = dict(zip(PEOPLE, (0.8, 0.6, 0.55, 0.5, 0.1), strict=True))
        self.searches = 0

    def identify(self, probe: Probe, among: Collection[str] | None, limit: int) -> list[Candidate]:
        assert among is None
        assert probe.path_id == PATH
        self.searches += 1
        ranked = sorted(self.scores.items(), key=lambda each: -each[1])
        return [
            Candidate(subject, TemplateId(f"T{subject}"), score)
            for subject, score in ranked[:limit]
        ]


class Rates:
    """An operating point that is known."""

    def at(self, fmr: float, *, population: str | None) -> OperatingPoint:
        return OperatingPoint(
            fmr=fmr,
            fmr_upper95=1.6 * fmr,
            fnmr=0.03,
            threshold=THRESHOLD,
            path_id=PATH,
            data="dev, cooperative",
            proven_for_population=population is not None,
        )


class Register:
    """Who the people are."""

    def __init__(self) -> None:
        self.left: set[PersonNo] = set()

    def identity(self, subject: PersonNo) -> Identity:
        if subject in self.left:
            raise Refused(TERMINAL_NOT_FOUND)
        place = PEOPLE.index(subject)
        number = parse_id_number(NUMBERS[place], today=date(2026, 1, 5))
        return Identity(subject, NAMES[place], number, "990100", number.birth_date)


class Turned:
    """A seal that only turns bytes round; binds them to their context."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        return (plain + b"|" + purpose.encode() + context)[::-1]

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        plain, _, bound = sealed[::-1].rpartition(b"|")
        assert bound == purpose.encode() + context
        return plain


def jpeg(brightness: int = 128) -> bytes:
    """A grey picture."""
    done, encoded = cv2.imencode(".jpg", np.full((240, 320, 3), brightness, np.uint8))
    assert done
    return encoded.tobytes()


class EmergencyRoom:
    """Everything that one search needs, with the moves of a test in one line each."""

    def __init__(self, database: Database, *, per_day_max: int = 10) -> None:
        database.create_tables(store.metadata)
        database.create_tables(audit_store.metadata)
        self.database = database
        self.clock = SettableClock(START)
        self.eye, self.gallery, self.register = Eye(), Everybody(), Register()
        self.service = EmergencySearch(
            database=database,
            clock=self.clock,
            engine=self.eye,
            gallery=self.gallery,
            error_rates=Rates(),
            fmr=1e-3,
            people=self.register,
            sealer=Turned(),
            per_day_max=per_day_max,
        )

    def wait(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)

    def propose(self, by: InstitutionStaff = NURSE, words: str = "") -> EmergencyId:
        made = self.service.propose(by, reason=EmergencyReason.UNCONSCIOUS, words=words)
        return made.emergency_id

    def approve(
        self,
        emergency_id: EmergencyId,
        by: InstitutionStaff = DOCTOR,
        picture: bytes | None = None,
    ) -> EmergencyAnswer:
        return self.service.approve(by, emergency_id, picture=picture or jpeg())

    def search(self) -> EmergencyAnswer:
        return self.approve(self.propose())

    def review(self, emergency_id: EmergencyId, by: InsurerStaff = SUPERVISOR) -> None:
        self.service.review(by, emergency_id, finding=ReviewFinding.JUSTIFIED)

    def audited(self) -> list[Any]:
        query = select(audit_store.events).order_by(audit_store.events.c.event_id)
        return list(self.database.read(lambda connection: connection.execute(query).all()))
