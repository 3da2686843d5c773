"""A small world for the tests of verification: a database, a clock and people with known scores."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from sqlalchemy import Table, func, select

from shualian.core.clock import SettableClock
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import (
    InstitutionCode,
    IntentId,
    PersonNo,
    TemplateId,
    TerminalId,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.face.calibration import OperatingPoint as ProvenPoint
from shualian.face.model import Hint, Quality
from shualian.gallery.model import Candidate, Probe
from shualian.terminals.model import Place, Terminal, TerminalClass
from shualian.verification import store
from shualian.verification.model import (
    Claimed,
    ConsentPurpose,
    FaceProof,
    Factor,
    IdentificationOutcome,
    Intent,
    Narrowed,
    OpenedSession,
    Policy,
    Redemption,
    Relation,
    Scene,
)
from shualian.verification.ports import Captured
from shualian.verification.service import Verification

T = TypeVar("T")

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
PATH = "yunet+sface/cosine"
HOSPITAL = InstitutionCode("H99000000001")
ZHANG, LI, WANG, STRANGER = (PersonNo(f"99000000{n}") for n in range(1, 5))
INTENT = IntentId("INTENT-1")
POLICY = Policy(
    fpir_max=0.01,
    identification_fmr=1e-4,
    verification_fmr=1e-3,
    margin=0.05,
    templates_per_person_max=1,
)
UPPER95 = {1e-4: 2.4e-4, 1e-3: 1.6e-3}
THRESHOLD = {1e-4: 0.45, 1e-3: 0.38}

NOT_PROVEN = RefusalKind("test.not_proven", "", "", "", "", Helper.TECHNICIAN, Finality.FINAL)
NOT_READY = RefusalKind("test.not_ready", "", "", "", "", Helper.TECHNICIAN, Finality.TEMPORARY)


class KnownScores:
    """A gallery in which everybody's score with the next probe is known beforehand."""

    def __init__(self, scores: dict[PersonNo, float]) -> None:
        self.scores = scores
        self.searched: list[frozenset[PersonNo]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def identify(self, probe: Probe, among: Collection[PersonNo], limit: int) -> list[Candidate]:
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


@dataclass(frozen=True)
class Decided:
    live: bool


def captured(
    *, live: bool = True, hints: Sequence[Hint] = (Hint.HOLD_STILL,), path_id: str = PATH
) -> Captured:
    return Captured(
        probe=Probe(np.eye(1, 8, dtype=np.float32)[0], path_id),
        qualities=[Quality(measures={}, hint=hint, score=80) for hint in hints],
        liveness=Decided(live),
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

    def __init__(self, folder: Path, *, policy: Policy = POLICY) -> None:
        self.database = SqliteDatabase(f"sqlite:///{folder / 'insurer.db'}")
        self.database.create_tables(store.metadata)
        self.clock = SettableClock(START)
        self.gallery = KnownScores({ZHANG: 0.8, LI: 0.2, WANG: 0.1})
        self.policy = policy
        self.service = self.service_in(Mode.SANDBOX)

    def service_in(self, mode: Mode) -> Verification:
        return Verification(
            database=self.database,
            clock=self.clock,
            gallery=self.gallery,
            error_rates=KnownRates(),
            policy=self.policy,
            mode=mode,
        )

    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def begin(self, at: Terminal | None = None, scene: Scene = Scene.SETTLEMENT) -> OpenedSession:
        return self.service.begin(
            at or terminal(),
            scene=scene,
            notice_version="2026-01",
            consents=[ConsentPurpose.COMPARISON],
        )

    def verify(
        self,
        opened: OpenedSession,
        who: Narrowed | Claimed | None = None,
        *,
        seen: Captured | None = None,
        terminal_id: TerminalId | None = None,
        nonce: str | None = None,
    ) -> IdentificationOutcome:
        return self.service.verify(
            opened.session_id,
            terminal_id=terminal_id or terminal().terminal_id,
            nonce=opened.nonce if nonce is None else nonce,
            captured=seen or captured(),
            who=who or Narrowed(frozenset({ZHANG, LI, WANG})),
        )

    def called(self, at: Terminal | None = None, subject: PersonNo = ZHANG) -> OpenedSession:
        """A session in which the called patient was verified."""
        opened = self.begin(at)
        outcome = self.verify(opened, Claimed(subject, Factor.CALLED))
        assert outcome.person is not None
        return opened

    def issue(
        self,
        opened: OpenedSession,
        asked: Intent | None = None,
        *,
        subject: PersonNo = ZHANG,
        terminal_id: TerminalId | None = None,
    ) -> FaceProof:
        return self.service.issue_proof(
            opened.session_id,
            terminal_id=terminal_id or terminal().terminal_id,
            subject=subject,
            intent=asked or intent(),
        )

    def proof(self, *, amount_max_fen: int = 50_00, uses: int = 1) -> FaceProof:
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
