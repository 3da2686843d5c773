"""The first visit, from a face to a settled bill, played by a simulated terminal.

The models, the decisions, the databases, the benefit rules and the ledger are the real ones. The
terminal is simulated: its video is a sample picture with small motion, so the run proves the
plumbing and says nothing about live people; error rates are in ``docs/biometrics.md``.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from shualian.assembly import (
    HospitalSide,
    InsurerSide,
    hospital_beside,
    open_insurer_side,
)
from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import (
    CommandId,
    IntentId,
    PersonNo,
    StaffId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen, format_yuan
from shualian.core.refusals import Refused
from shualian.core.settings import HospitalSettings, Settings
from shualian.face.liveness.challenge import Turn, new_challenge
from shualian.face.liveness.decision import AttackDetectionErrorRates, LivenessLevel
from shualian.hospital.cashier.shifts.model import DrawerNo
from shualian.hospital.cashier.wording import render_receipt
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import FaceEvidence, Label
from shualian.hospital.payments.model import Payment
from shualian.sandbox import city
from shualian.sandbox.player import FRAMES_PER_SECOND, Actor, FaceVideo
from shualian.sandbox.police_registry.server import put_people, running_registry
from shualian.sandbox.samples import SamplePicture, sample_pictures
from shualian.terminals.model import Terminal, TerminalClass, label
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.captures.capture import LiveCapture
from shualian.verification.expectations.model import ExpectedFor
from shualian.verification.model import (
    Called,
    ConsentPurpose,
    Expected,
    FaceProof,
    IdentificationOutcome,
    Intent,
    LookFor,
    Relation,
    Scene,
)
from shualian.verification.ports import Captured
from shualian.verification.sessions.model import OpenedSession

FRAMES_MAX = 300
"""Twenty seconds of video; a capture that has not enough then has failed."""

_KEY_ID = "simulated"
_YAW = {Turn.LEFT: 32.0, Turn.RIGHT: -32.0, Turn.BACK: 0.0}
_YAW_A_FRAME = 16.0

_PRICES = "990000-illustrative.csv"


class VisitWentWrong(Exception):  # noqa: N818 - the name tells the story of the demo
    """A step did not hold what it promises; says what was found."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the visit as it went.

    Attributes:
        step: Its name.
        ok: Whether it held what it promises.
        detail: What happened, labelled with the terminal's class.
        ms: How long it took.
    """

    step: str
    ok: bool
    detail: str
    ms: int


@dataclass(slots=True)
class _Head:
    """A head that turns to where it is asked, as fast as a head does."""

    asked: Turn | None = None
    yaw: float = 0.0

    def turned(self, _seconds: float) -> float:
        """The angle in the next frame."""
        left = _YAW[self.asked or Turn.BACK] - self.yaw
        self.yaw += max(-_YAW_A_FRAME, min(_YAW_A_FRAME, left))
        return self.yaw


class FirstVisit:
    """Plays the visit step by step; a step that fails ends it."""

    def __init__(self, settings: Settings, *, clock: Clock, seed: int) -> None:
        """Nothing is opened before :meth:`play`."""
        self._settings = settings
        self._clock = clock
        self._seed = seed
        self.receipt: tuple[str, ...] = ()
        self._people: dict[str, PersonNo] = {}
        self._samples: Mapping[str, SamplePicture] = {}
        self._insurer: InsurerSide
        self._kiosk: Terminal
        self._room: Terminal
        self._hospital: HospitalSide
        self._encounter: Encounter
        self._payment: Payment
        self._proof: FaceProof

    def play(self) -> Iterator[Step]:
        """The steps in order, each when it is done."""
        with ExitStack() as opened:
            for name, act in self._acts(opened):
                step = self._timed(name, act)
                yield step
                if not step.ok:
                    return

    def _acts(self, opened: ExitStack) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "open", lambda: self._open(opened)
        yield "enrol", self._enrol
        yield "capture_and_identify", self._identify
        yield "confirm_and_register", self._register
        yield "order", self._order
        yield "called_and_verified", self._called
        yield "settle", self._settle
        yield "cash_and_receipt", self._receipt
        yield "books", self._books
        yield "repeat_changes_nothing", self._repeat
        yield "stranger_is_unknown", self._stranger

    def _timed(self, name: str, act: Callable[[], str]) -> Step:
        began = time.perf_counter()
        try:
            ok, detail = True, act()
        except (Refused, VisitWentWrong) as failure:
            ok, detail = False, str(failure)
        return Step(name, ok, f"{_LABEL.zh} {detail}", round((time.perf_counter() - began) * 1000))

    def _open(self, opened: ExitStack) -> str:
        self._samples = sample_pictures()
        police = opened.enter_context(
            running_registry(
                self._settings.data_dir / "police-registry",
                clock=self._clock,
                weights_dir=self._settings.weights_dir,
            )
        )
        put_people(police.registry, (city.PATIENT, *city.OTHERS), self._samples)
        self._insurer = open_insurer_side(
            self._settings.model_copy(update={"registry_url": police.origin}),
            mode=Mode.SANDBOX,
            clock=self._clock,
        )
        opened.callback(self._insurer.close)
        self._insurer.check_notice()
        self._insurer.terminals.register.register_model(
            actor=city.SUPERVISOR, model=city.TERMINAL_MODEL
        )
        self._kiosk, self._room = (
            city.enrol_terminal(self._insurer, spec, SigningKey.generate(Algorithm.SM2_SM3))
            for spec in (city.KIOSK, city.CONSULTING_ROOM)
        )
        settings = self._settings.model_copy(update={"registry_url": police.origin})
        hospital = HospitalSettings(
            code=city.HOSPITAL.fixmedins_code,
            name=city.HOSPITAL.name,
            terminal_origin=settings.terminal_origin,
            staff_origin=settings.staff_origin,
        )
        self._hospital = hospital_beside(
            self._insurer, settings, hospital, mode=Mode.SANDBOX, clock=self._clock
        )
        opened.callback(self._hospital.close)
        return f"模型和数据库已打开（演练环境），人脸路径 {self._insurer.engine.path_id}"

    def _enrol(self) -> str:
        self._people = city.people_city(self._insurer, self._samples, self._clock)
        for psn_no in self._people.values():
            self._insurer.insured.expectations.expect(
                city.HOSPITAL.fixmedins_code,
                psn_no,
                day=business_date(self._clock.now()),
                why=ExpectedFor.APPOINTMENT,
            )
        return f"登记示例参保人 {len(self._people)} 人，人脸特征已变换、加密保存"

    def _identify(self) -> str:
        session = self._begin(self._kiosk, Scene.REGISTRATION, Expected())
        outcome, frames = self._scan(session, city.PATIENT_SEEN)
        person = outcome.person
        _expect(person is not None and person.subject == self._patient, "the patient", outcome)
        assert person is not None  # noqa: S101 - for the type checker; checked above
        assert person.point is not None  # noqa: S101
        self._proof = self._confirm(self._kiosk, session, Scene.REGISTRATION, ZERO)
        proven = "" if person.proven_for_population else "（对本地人群未经证实）"
        return (
            f"{frames} 帧，活体通过（模拟攻击下最差 APCER {self._rates.apcer_max:.0%}，"
            f"BPCER {self._rates.bpcer:.0%}）；今天预约的 {len(self._people)} 人里认出 1 人，"
            f"相似度 {person.score:.2f} ≥ {person.point.threshold:.3f}，"
            f"误认上限 {person.error_upper95:.2%}{proven}；公安核验{_registry(outcome)}"
        )

    def _register(self) -> str:
        evidence = self._evidence(self._kiosk)
        record = self._hospital.records.open_record(command_id=_command(), evidence=evidence)
        self._encounter = self._hospital.encounters.register(
            command_id=_command(),
            record_no=record.record_no,
            department=city.RESPIRATORY,
            doctor=city.DOCTOR,
            evidence=evidence,
        )
        return (
            f"{record.masked_name}（{record.masked_id_number}）本人确认；"
            f"已挂号 {self._encounter.queue_no} {city.RESPIRATORY.dept_name}，"
            f"就诊号 {self._encounter.mdtrt_id}"
        )

    def _order(self) -> str:
        encounter_no = self._encounter.encounter_no
        self._hospital.encounters.call(encounter_no=encounter_no)
        self._hospital.encounters.begin_consultation(encounter_no=encounter_no)
        self._hospital.orders.order(
            command_id=_command(), encounter_no=encounter_no, lines=city.ORDERED
        )
        items = self._hospital.orders.upload(encounter_no=encounter_no)
        self._payment = self._hospital.payments.prepare(
            command_id=_command(), encounter_no=encounter_no
        )
        amounts = self._payment.confirmed.amounts
        return (
            f"费用 {len(items)} 项共 {format_yuan(amounts.medfee_sumamt)} 元；预结算：基金 "
            f"{format_yuan(amounts.fund_pay_sumamt)}，个人账户 {format_yuan(amounts.acct_pay)}，"
            f"现金 {format_yuan(amounts.psn_cash_pay)}"
        )

    def _called(self) -> str:
        self._insurer.insured.expectations.call(
            self._room.terminal_id, self._room.institution, self._patient
        )
        amount_max_fen = self._payment.amount_max_fen
        session = self._begin(self._room, Scene.SETTLEMENT, Called(), amount_max_fen)
        outcome, frames = self._scan(session, city.PATIENT_SEEN)
        _expect(outcome.person is not None, "the called patient", outcome)
        self._proof = self._confirm(
            self._room,
            session,
            Scene.SETTLEMENT,
            amount_max_fen,
            self._payment.intent_id,
        )
        return (
            f"{frames} 帧，按提示转头，叫到的患者 1:1 核验通过（人脸 + 叫号），"
            f"公安核验{_registry(outcome)}，本人对着账单确认"
        )

    def _settle(self) -> str:
        self._payment = self._hospital.payments.settle(
            command_id=self._payment.command_id, evidence=self._evidence(self._room)
        )
        answer = self._payment.settled
        _expect(answer is not None, "a settlement", self._payment.state)
        return f"结算号 {answer.setl_id if answer else ''}，授权号只用一次，已核销"

    def _receipt(self) -> str:
        payment, amounts = self._payment, self._payment.confirmed.amounts
        if amounts.psn_cash_pay:
            self._hospital.desk.shifts.open(
                command_id=_command(), drawer=DrawerNo("1"), clerk=_CLERK, count={}
            )
            self._hospital.cashier.take_cash(
                command_id=_command(),
                payment=payment.command_id,
                tendered_fen=Fen(-(-amounts.psn_cash_pay // 10_000) * 10_000),
                taken_by=_CLERK,
            )
        receipt = self._hospital.cashier.receipt(payment=payment.command_id, label=_LABEL)
        self.receipt = render_receipt(receipt, "zh")
        paid = amounts.fund_pay_sumamt + amounts.acct_pay + amounts.psn_cash_pay
        _expect(paid == amounts.medfee_sumamt, "payers that add up to the bill", paid)
        return (
            f"基金 {format_yuan(amounts.fund_pay_sumamt)} + 个人账户 "
            f"{format_yuan(amounts.acct_pay)} + 现金 {format_yuan(amounts.psn_cash_pay)} = "
            f"{format_yuan(amounts.medfee_sumamt)} 元，凭条见下"
        )

    def _books(self) -> str:
        check = self._insurer.funds.check_books()
        _expect(check.coherent, "coherent books", check)
        return f"复式账平：全部分录合计 {check.sum_of_entries} 分，账户余额与分录一致"

    def _repeat(self) -> str:
        again = self._hospital.payments.settle(
            command_id=self._payment.command_id, evidence=self._evidence(self._room)
        )
        _expect(again == self._payment, "the same answer", again.state)
        try:
            self._insurer.verification.redeem(
                self._proof.auth_no,
                intent_id=IntentId(new_identifier()),
                use="settle",
                amount_fen=ZERO,
                expected_institution=city.HOSPITAL.fixmedins_code,
                expected_terminal=self._room.terminal_id,
                expected_scene=Scene.SETTLEMENT,
                expected_subject=self._patient,
                expected_beneficiary=self._patient,
                expected_relation=Relation.SELF,
            )
        except Refused as refused:
            return f"重复结算得到同一个答复；同一授权号办别的事被拒绝（{refused.kind.code}）"
        raise VisitWentWrong("a proof was good for a second intent")

    def _stranger(self) -> str:
        _expect(len(self._people) <= self._insurer.verification.people_max, "few people", None)
        session = self._begin(self._kiosk, Scene.REGISTRATION, Expected())
        outcome, frames = self._scan(session, city.STRANGER_SEEN)
        _expect(outcome.person is None, "nobody", outcome)
        reason = outcome.unknown.value if outcome.unknown else ""
        return f"{frames} 帧，没有认出（{reason}），什么都没有办；可以改用医保码、医保卡或身份证"

    @property
    def _patient(self) -> PersonNo:
        return self._people[city.PATIENT.name]

    @property
    def _rates(self) -> AttackDetectionErrorRates:
        rates = self._insurer.calibration.attack_detection
        if rates is None:
            raise VisitWentWrong("liveness has no measured error rates")
        return rates

    def _begin(
        self, terminal: Terminal, scene: Scene, look_for: LookFor, amount_max_fen: Fen = ZERO
    ) -> OpenedSession:
        session = self._insurer.verification.begin(
            terminal,
            key_id=_KEY_ID,
            scene=scene,
            notice_version=self._insurer.insured.notices.current.version,
            consents=[ConsentPurpose.COMPARISON],
            look_for=look_for,
            amount_max_fen=amount_max_fen,
        )
        self._insurer.verification.open_capture(
            session.session_id, ticket=session.ticket, nonce=session.nonce
        )
        return session

    def _scan(self, session: OpenedSession, seen: str) -> tuple[IdentificationOutcome, int]:
        captured, frames = self._capture(seen, session.liveness)
        outcome = self._insurer.verification.verify(
            session.session_id, nonce=session.nonce, captured=captured
        )
        return outcome, frames

    def _capture(self, seen: str, level: LivenessLevel) -> tuple[Captured, int]:
        head = _Head()
        video = FaceVideo(Actor.of(self._samples[seen]), seed=self._seed, yaw_at=head.turned)
        challenge = new_challenge(random.Random(self._seed))  # noqa: S311 - a replayable demo
        capture = LiveCapture(
            self._insurer.engine, level=level, challenge=challenge, error_rates=self._rates
        )
        hints = set()
        for number, frame in enumerate(video.encoded_frames(FRAMES_MAX)):
            sight = capture.take(frame, seconds=number / FRAMES_PER_SECOND)
            head.asked = sight.prompt
            hints.add(sight.hint)
            if sight.enough:
                return capture.finish(), number + 1
        raise VisitWentWrong(f"expected enough good frames, found {hints}")

    def _confirm(
        self,
        terminal: Terminal,
        session: OpenedSession,
        scene: Scene,
        amount_max_fen: Fen,
        intent_id: IntentId | None = None,
    ) -> FaceProof:
        return self._insurer.verification.issue_proof(
            session.session_id,
            terminal_id=terminal.terminal_id,
            intent=Intent(
                intent_id=intent_id or IntentId(new_identifier()),
                scene=scene,
                beneficiary=self._patient,
                relation=Relation.SELF,
                amount_max_fen=amount_max_fen,
            ),
        )

    def _evidence(self, terminal: Terminal) -> FaceEvidence:
        proof = self._proof
        return FaceEvidence(
            auth_no=proof.auth_no,
            intent_id=proof.intent_id,
            scene=proof.scene,
            terminal_id=terminal.terminal_id,
            first_frame_at=self._clock.now(),
        )


def _terminal_label() -> Label:
    words = label(TerminalClass.SIMULATED)
    return Label(words.zh, words.en) if words else Label("", "")


_CLERK = StaffId("SANDBOX-CLERK")
_LABEL = _terminal_label()


def _registry(outcome: IdentificationOutcome) -> str:
    person = outcome.person
    if person is None or person.registry is None:
        return "没有问"
    return "暂时不通，按限额办理" if person.degraded else "一致（演练用的替身）"


def _command() -> CommandId:
    return CommandId(new_identifier())


def _expect(held: bool, expected: str, found: object) -> None:  # noqa: FBT001
    if not held:
        raise VisitWentWrong(f"expected {expected}, found {found}")
