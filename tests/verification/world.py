"""A small world for the tests of verification: a database, a clock, people with known scores."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from sqlalchemy import Table, func, select

from shualian.core.clock import SettableClock
from shualian.core.database import Database, SqliteDatabase, forbid_in_transaction
from shualian.core.id_number import IdNumber, check_character
from shualian.core.identifiers import (
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TemplateId,
    TerminalId,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.core.settings import RegistryCheck
from shualian.face.calibration import OperatingPoint as ProvenPoint
from shualian.face.model import Hint, Quality
from shualian.gallery.model import Candidate, Probe
from shualian.terminals.model import Place, Terminal, TerminalClass
from shualian.trust.audit import store as audit_store
from shualian.verification import store
from shualian.verification.model import (
    Called,
    ConsentPurpose,
    Expected,
    FaceProof,
    IdentificationOutcome,
    Identity,
    Intent,
    LookFor,
    Policy,
    Redemption,
    Relation,
    Relative,
    Scene,
    SessionResult,
    Standing,
    VoucherStanding,
)
from shualian.verification.ports import Captured, NewTemplate
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict
from shualian.verification.service import Verification
from shualian.verification.sessions.model import CaptureSession, OpenedSession
from tables import make_tables

T = TypeVar("T")

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
PATH = "yunet+sface/cosine"
HOSPITAL = InstitutionCode("H99000000001")
ZHANG, LI, WANG, STRANGER = (PersonNo(f"99000000{n}") for n in range(1, 5))
CHILD = PersonNo("990000009")
INTENT = IntentId("INTENT-1")
KEY_ID = "ab" * 32
CONFIRMED = Fen(50_00)
PIN = "246810"
PICTURE = b"a jpeg of one frame"
POLICY = Policy(
    fpir_max=0.01,
    identification_fmr=1e-4,
    verification_fmr=1e-3,
    margin=0.05,
    templates_per_person_max=1,
)
UPPER95 = {1e-4: 2.4e-4, 1e-3: 1.6e-3}
THRESHOLD = {1e-4: 0.45, 1e-3: 0.38}
DEGRADED_MAX = Fen(20_00)


def _test_kind(code: str, finality: Finality = Finality.FINAL) -> RefusalKind:
    return RefusalKind(f"test.{code}", "", "", "", "", Helper.TECHNICIAN, finality)


NOT_PROVEN = _test_kind("not_proven")
NOT_READY = _test_kind("not_ready", Finality.TEMPORARY)
PIN_WRONG = _test_kind("pin_wrong")
NOT_RELATED = _test_kind("not_related")
PAUSED = _test_kind("paused", Finality.TEMPORARY)
NOBODY = _test_kind("nobody")
NOT_DONE = _test_kind("not_done")


def id_number(sequence: int, born: str = "19800101") -> IdNumber:
    body = f"990000{born}{sequence:03d}"
    return IdNumber(body + check_character(body))


ID_NUMBERS = {each: id_number(place) for place, each in enumerate((ZHANG, LI, WANG, STRANGER), 1)}
ID_NUMBERS[CHILD] = id_number(9, "20200101")
NOBODYS_NUMBER = id_number(99)


class KnownScores:
    """A gallery in which everybody's score with the next probe is known beforehand."""

    def __init__(self, scores: dict[PersonNo, float]) -> None:
        self.scores = scores
        self.searched: list[frozenset[PersonNo]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def identify(self, probe: Probe, among: Collection[PersonNo], limit: int) -> list[Candidate]:
        forbid_in_transaction("a search")
        assert probe.path_id == PATH
        self.searched.append(frozenset(among))
        self.meanwhile()
        found = [
            Candidate(subject, TemplateId(f"T{subject}"), score)
            for subject, score in self.scores.items()
            if subject in among
        ]
        return sorted(found, key=lambda each: -each.score)[:limit]


class KnownRates:
    """Error rates of an imaginary calibration."""

    def at(self, fmr: float, *, population: str | None) -> ProvenPoint:
        if fmr not in UPPER95:
            raise Refused(NOT_PROVEN)
        return ProvenPoint(
            fmr=fmr,
            fmr_upper95=UPPER95[fmr],
            fnmr=0.03,
            threshold=THRESHOLD[fmr],
            path_id=PATH,
            data="dev, cooperative",
            proven_for_population=population is not None,
        )


class Office:
    """The insurer behind the ports: people, calls, PINs, relations, pauses, what follows."""

    def __init__(self) -> None:
        self.standings = {
            each: Standing(VoucherStanding.ACTIVE, template_consent=True) for each in ID_NUMBERS
        }
        self.expecting: set[PersonNo] = {ZHANG, LI, WANG}
        self.calls: dict[TerminalId, PersonNo] = {TerminalId("K02"): ZHANG}
        self.related: set[tuple[PersonNo, PersonNo, Relation]] = set()
        self.pausing: set[TerminalId | PersonNo | None] = set()
        self.failures: Counter[tuple[TerminalId, PersonNo | None]] = Counter()
        self.successes: Counter[tuple[TerminalId, PersonNo | None]] = Counter()
        self.pins_tried: list[tuple[PersonNo, str]] = []
        self.followed: list[tuple[CaptureSession, NewTemplate | None]] = []
        self.refuses_to_follow = False

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        return next((who for who, its in ID_NUMBERS.items() if its == id_number), None)

    def by_last_digits(self, digits: str) -> Collection[PersonNo]:
        return {who for who, its in ID_NUMBERS.items() if its.value.endswith(digits)}

    def identity(self, subject: PersonNo) -> Identity:
        forbid_in_transaction("the register")
        number = ID_NUMBERS[subject]
        return Identity(subject, "张示例", number, "990000", date(1980, 1, 1))

    def standing(self, subject: PersonNo, *, now: datetime) -> Standing:
        assert now.tzinfo is UTC
        if subject not in self.standings:
            raise Refused(NOBODY)
        return self.standings[subject]

    def stands(self, subject: PersonNo, voucher: VoucherStanding) -> None:
        self.standings[subject] = replace(self.standings[subject], voucher=voucher)

    def expected(self, institution: InstitutionCode, *, now: datetime) -> Collection[PersonNo]:
        assert now.tzinfo is UTC
        return set(self.expecting) if institution == HOSPITAL else set()

    def called(self, terminal_id: TerminalId, *, now: datetime) -> PersonNo | None:
        assert now.tzinfo is UTC
        return self.calls.get(terminal_id)

    def verified(self, session: CaptureSession, new_template: NewTemplate | None) -> bool:
        assert session.person is not None
        if self.refuses_to_follow:
            raise Refused(NOT_DONE)
        self.followed.append((session, new_template))
        subject = session.person.subject
        waking = self.standings[subject].voucher is not VoucherStanding.ACTIVE
        self.stands(subject, VoucherStanding.ACTIVE)
        return waking


@dataclass
class PinPad:
    """PINs: everybody's is the same."""

    office: Office

    def check(self, subject: PersonNo, pin: str) -> None:
        self.office.pins_tried.append((subject, pin))
        if pin != PIN:
            raise Refused(PIN_WRONG)


@dataclass
class Family:
    """Relations that were proven."""

    office: Office

    def check(
        self, *, subject: PersonNo, beneficiary: PersonNo, relation: Relation, at: datetime
    ) -> None:
        assert at.tzinfo is UTC
        if (subject, beneficiary, relation) not in self.office.related:
            raise Refused(NOT_RELATED)

    def relatives(self, subject: PersonNo, *, at: datetime) -> list[Relative]:
        assert at.tzinfo is UTC
        return [
            Relative(beneficiary, "李*梅", "mother")
            for holder, beneficiary, relation in sorted(self.office.related)
            if holder == subject and relation is Relation.FAMILY
        ]


@dataclass
class Doors:
    """Pauses that a test sets, failures that it counts."""

    office: Office

    def check(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        if terminal_id in self.office.pausing or claimed in self.office.pausing:
            raise Refused(PAUSED)

    def failed(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        self.office.failures[terminal_id, claimed] += 1

    def succeeded(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        self.office.successes[terminal_id, claimed] += 1


@dataclass
class Police:
    """A registry with one answer, which it must never be asked for inside a transaction."""

    verdict: RegistryVerdict = RegistryVerdict.MATCH
    asked: list[RegistryQuery] = field(default_factory=list)

    def compare(self, query: RegistryQuery) -> RegistryVerdict:
        forbid_in_transaction("the police registry")
        self.asked.append(query)
        return self.verdict


@dataclass(frozen=True)
class Decided:
    live: bool


def captured(
    *,
    live: bool = True,
    active: bool = True,
    hints: Sequence[Hint] = (Hint.HOLD_STILL,),
    path_id: str = PATH,
    picture: bytes | None = PICTURE,
) -> Captured:
    vector = np.eye(1, 8, dtype=np.float32)[0]
    return Captured(
        probe=Probe(vector, path_id),
        qualities=[Quality(measures={}, hint=hint, score=80) for hint in hints],
        liveness=Decided(live),
        picture=picture,
        enrolment=NewTemplate(vector, path_id, 80),
        active=active,
    )


def terminal(terminal_class: TerminalClass = TerminalClass.SCAN_FACE_PAY) -> Terminal:
    return Terminal(
        TerminalId("K02"), HOSPITAL, terminal_class, Place(name="一层 3 号", department="收费处")
    )


def intent(
    *,
    subject: PersonNo = ZHANG,
    intent_id: IntentId = INTENT,
    amount_max_fen: int = 50_00,
    uses: int = 1,
) -> Intent:
    return Intent(
        intent_id=intent_id,
        scene=Scene.SETTLEMENT,
        beneficiary=subject,
        relation=Relation.SELF,
        amount_max_fen=Fen(amount_max_fen),
        uses=uses,
    )


class World:
    """Everything that one ceremony needs, with the moves of a test in one line each."""

    def __init__(self, folder: Path | None = None, *, database: Database | None = None) -> None:
        self.database = database or SqliteDatabase(f"sqlite:///{folder}/insurer.db")
        make_tables(self.database, [store.metadata, audit_store.metadata])
        self.clock = SettableClock(START)
        self.gallery = KnownScores({ZHANG: 0.8, LI: 0.2, WANG: 0.1})
        self.office = Office()
        self.police = Police()
        self.policy = POLICY
        self.service = self.service_in(Mode.SANDBOX)

    def service_in(
        self, mode: Mode, registry_check: RegistryCheck = RegistryCheck.ALWAYS
    ) -> Verification:
        return Verification(
            database=self.database,
            clock=self.clock,
            gallery=self.gallery,
            error_rates=KnownRates(),
            policy=self.policy,
            mode=mode,
            people=self.office,
            expectations=self.office,
            pins=PinPad(self.office),
            relations=Family(self.office),
            pauses=Doors(self.office),
            registry=self.police,
            aftermath=self.office,
            registry_check=registry_check,
            degraded_max_fen=DEGRADED_MAX,
        )

    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def begin(
        self,
        at: Terminal | None = None,
        scene: Scene = Scene.SETTLEMENT,
        *,
        look_for: LookFor | None = None,
        amount_max_fen: int = CONFIRMED,
        consents: Collection[ConsentPurpose] = (ConsentPurpose.COMPARISON,),
    ) -> OpenedSession:
        return self.service.begin(
            at or terminal(),
            key_id=KEY_ID,
            scene=scene,
            notice_version="2026-01",
            consents=consents,
            look_for=look_for or Expected(),
            amount_max_fen=Fen(amount_max_fen),
        )

    def open(
        self,
        at: Terminal | None = None,
        scene: Scene = Scene.SETTLEMENT,
        *,
        look_for: LookFor | None = None,
        amount_max_fen: int = CONFIRMED,
        consents: Collection[ConsentPurpose] = (ConsentPurpose.COMPARISON,),
    ) -> OpenedSession:
        """A session whose stream is open."""
        opened = self.begin(
            at, scene, look_for=look_for, amount_max_fen=amount_max_fen, consents=consents
        )
        self.open_capture(opened)
        return opened

    def open_capture(self, opened: OpenedSession) -> None:
        running = self.service.open_capture(
            opened.session_id, ticket=opened.ticket, nonce=opened.nonce
        )
        assert (running.key_id, running.liveness) == (KEY_ID, opened.liveness)

    def verify(
        self,
        opened: OpenedSession,
        look_for: LookFor | None = None,
        *,
        seen: Captured | None = None,
        nonce: str | None = None,
    ) -> IdentificationOutcome:
        return self.service.verify(
            opened.session_id,
            nonce=opened.nonce if nonce is None else nonce,
            captured=seen or captured(),
            look_for=look_for,
        )

    def session(self, session_id: SessionId) -> CaptureSession:
        return self.database.read(lambda connection: store.get_session(connection, session_id))

    def result(self, opened: OpenedSession) -> SessionResult:
        return self.service.result(opened.session_id, terminal_id=terminal().terminal_id)

    def called(
        self,
        at: Terminal | None = None,
        *,
        scene: Scene = Scene.SETTLEMENT,
        amount_max_fen: int = 50_000_00,
    ) -> OpenedSession:
        """A session in which the called patient was verified."""
        opened = self.open(at, scene, look_for=Called(), amount_max_fen=amount_max_fen)
        assert self.verify(opened).person is not None
        return opened

    def issue(
        self,
        opened: OpenedSession,
        asked: Intent | None = None,
        *,
        terminal_id: TerminalId | None = None,
        pin: str | None = None,
    ) -> FaceProof:
        return self.service.issue_proof(
            opened.session_id,
            terminal_id=terminal_id or terminal().terminal_id,
            intent=asked or intent(),
            pin=pin,
        )

    def proof(self, *, amount_max_fen: int = CONFIRMED, uses: int = 1) -> FaceProof:
        """A proof of the called patient, confirmed just now."""
        return self.issue(self.called(), intent(amount_max_fen=amount_max_fen, uses=uses))

    def redeem(
        self,
        proof: FaceProof,
        *,
        use: str = "settle",
        amount_fen: int = 50_00,
        expected: FaceProof | None = None,
    ) -> Redemption:
        """Redeem ``proof`` as one who expects it to be ``expected``."""
        known = expected or proof
        return self.service.redeem(
            proof.auth_no,
            intent_id=known.intent_id,
            use=use,
            amount_fen=Fen(amount_fen),
            expected_institution=known.institution,
            expected_terminal=known.terminal_id,
            expected_scene=known.scene,
            expected_subject=known.subject,
            expected_beneficiary=known.beneficiary,
            expected_relation=known.relation,
        )

    def rows(self, table: Table) -> int:
        query = select(func.count()).select_from(table)
        return self.database.read(lambda connection: connection.scalar(query) or 0)

    def audited(self) -> list[str]:
        """Kinds of all recorded events, in order."""
        query = select(audit_store.events.c.kind).order_by(audit_store.events.c.event_id)
        return self.database.read(lambda connection: list(connection.scalars(query)))

    def close(self) -> None:
        self.database.close()


ALTERED: list[tuple[str, Callable[[FaceProof], FaceProof]]] = [
    (
        "verification.proof_other_institution",
        lambda proof: replace(proof, institution=InstitutionCode("H99000000002")),
    ),
    (
        "verification.proof_other_terminal",
        lambda proof: replace(proof, terminal_id=TerminalId("K03")),
    ),
    (
        "verification.proof_other_intent",
        lambda proof: replace(proof, intent_id=IntentId("INTENT-2")),
    ),
    ("verification.proof_other_scene", lambda proof: replace(proof, scene=Scene.DISPENSING)),
    ("verification.proof_other_subject", lambda proof: replace(proof, subject=LI)),
    ("verification.proof_other_beneficiary", lambda proof: replace(proof, beneficiary=LI)),
    ("verification.proof_other_relation", lambda proof: replace(proof, relation=Relation.PROXY)),
]
"""Every field that binds a proof, altered, with the code by which that is refused."""


def in_parallel(works: Iterable[Callable[[], T]]) -> list[T | Refused]:
    """Run all works at the same time; what each gave or how it was refused."""
    listed = list(works)
    start = threading.Barrier(len(listed))
    results: list[T | Refused | None] = [None] * len(listed)

    def run(place: int, work: Callable[[], T]) -> None:
        start.wait()
        try:
            results[place] = work()
        except Refused as refused:
            results[place] = refused

    threads = [threading.Thread(target=run, args=each) for each in enumerate(listed)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for result in results if result is not None]
