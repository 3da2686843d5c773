"""From a live face to a proof that can be used once, played by simulated terminals and people.

Listener, sockets, signatures, models, decisions, database, audit and the police registry's
protocol are the real ones. The terminals are simulated, faces are sample pictures in small motion,
attacks are simulated, and most templates of the city are random vectors that are no faces: the run
proves the plumbing and the rules, and says nothing about live people. Error rates are in
``docs/biometrics.md``.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import chain, count, islice, repeat
from pathlib import Path
from threading import Barrier
from typing import TypeVar

from pydantic import BaseModel

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    TerminalId,
    new_identifier,
)
from shualian.core.money import Fen, format_yuan
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.face.model import Purpose
from shualian.insurer.consents.api import (
    NOTICE_PATH,
    WITHDRAWAL_PATH,
    NoticeAnswer,
    NoticeBody,
    WithdrawalAnswer,
    WithdrawalBody,
)
from shualian.insurer.consents.model import OWN_CONSENT_AGE
from shualian.insurer.persons.model import Insurance
from shualian.sandbox import city
from shualian.sandbox.district import District, SimulatedTerminal
from shualian.sandbox.insured_city import (
    PEOPLE,
    SYNTHETIC_QUALITY,
    CityPerson,
    people_csv,
    sample_people,
    synthetic_vectors,
)
from shualian.sandbox.player import Actor
from shualian.sandbox.police_registry.server import put_people
from shualian.sandbox.presentation_attacks import AttackKind, simulate
from shualian.sandbox.samples import SamplePicture, sample_pictures
from shualian.sandbox.simulated_person import (
    Habit,
    Person,
    does_nothing,
    obeys,
    turns_the_wrong_way,
)
from shualian.sandbox.steps import Step, VisitWentWrong, expect, timed
from shualian.sandbox.terminal_demo import decision_refused
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.captures.client import Camera, CaptureClient
from shualian.verification.captures.model import (
    BeginAnswer,
    CalledBody,
    Chain,
    ExpectedBody,
    IntentBody,
    LastDigitsBody,
    LookForBody,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
    TypedNumberBody,
    pack_frame,
)
from shualian.verification.expectations.model import ExpectedFor
from shualian.verification.model import (
    Basis,
    ConsentPurpose,
    Redemption,
    Relation,
    Scene,
    SessionState,
    UnknownReason,
)
from shualian.verification.ports import NewTemplate
from shualian.verification.registry.model import RegistryVerdict

IMPOSTOR_SEEN = "president_c_1"
"""Somebody who is not the patient and whose simulated head follows every prompt."""
THREADS = 100
"""So many callers redeem one proof at the same moment."""

ALIKE = 3
"""So many people's numbers end as the patient's."""

_SETTLING_THREADS = 24
_FRAME, _SLOW_FRAME = timedelta(seconds=0.2), timedelta(seconds=0.5)
"""Between two frames; slow ones where only the time for a turn runs out."""
_LUCKY_MAX = 6
_PROOF_LIFE = timedelta(minutes=5, seconds=1)
_AMOUNT = Fen(25_860)
_TICKS = (ConsentPurpose.COMPARISON, ConsentPurpose.TEMPLATE, ConsentPurpose.ONE_SCAN_PAYMENT)
_OTHER_HOSPITAL = InstitutionCode("H99000000002")
_JFIF = b"\xff\xd8\xff\xe0\x00\x10JFIF"
_SAMPLE_NUMBER = re.compile(rb"990000(?:19|20)[0-9]{9}[0-9X]")
_PIECE_BYTES = 24

Found = TypeVar("Found", bound=BaseModel)
Answer = ResultMessage | RefusedMessage


@dataclass(frozen=True, slots=True)
class _Desk:
    """A terminal and its client."""

    simulated: SimulatedTerminal
    client: CaptureClient

    @property
    def terminal_id(self) -> TerminalId:
        return self.simulated.agent.identity().terminal_id


@dataclass(frozen=True, slots=True)
class _Proof:
    """A proof as its terminal holds it."""

    auth_no: AuthNo
    intent_id: IntentId
    desk: _Desk
    scene: Scene


@dataclass(frozen=True, slots=True)
class RawSearch:
    """What a search of files byte by byte came to.

    Attributes:
        files: How many were read.
        size_bytes: Of all of them.
        found_in: Names of those that hold something in the clear.
    """

    files: int
    size_bytes: int
    found_in: tuple[str, ...]


def search_files(folder: Path, sought: Collection[bytes]) -> RawSearch:
    """Search all files of ``folder`` for these bytes, any JPEG (JFIF) and any sample ID number."""
    size_bytes, files, found_in = 0, 0, []
    for file in filter(Path.is_file, folder.rglob("*")):
        content = file.read_bytes()
        files, size_bytes = files + 1, size_bytes + len(content)
        if _SAMPLE_NUMBER.search(content) or any(each in content for each in (_JFIF, *sought)):
            found_in.append(file.name)
    return RawSearch(files, size_bytes, tuple(found_in))


class VerificationDemo:
    """Plays the steps; one that does not hold ends it."""

    def __init__(
        self, settings: Settings, *, clock: Clock, seed: int, people: int = PEOPLE
    ) -> None:
        """Nothing is opened before :meth:`play`.

        Args:
            settings: Whose data folder holds everything.
            clock: Which time it is.
            seed: Of the city and of the simulated video.
            people: In the city, the patient among them; more than may be searched at once.
        """
        self._settings = settings
        self._clock = clock
        self._seed = seed
        self._count = people
        self._numbers: list[PersonNo] = []
        self._shown: list[bytes] = []
        self._samples: Mapping[str, SamplePicture]
        self._district: District
        self._kiosk: _Desk
        self._room: _Desk
        self._notice: str
        self._recorded: tuple[BeginAnswer, Sequence[bytes]]

    def play(self) -> Iterator[Step]:
        """The steps in order, each when it is done."""
        with ExitStack() as opened:
            for name, act in self._acts(opened):
                step = timed(name, act)
                yield step
                if not step.ok:
                    return

    def _acts(self, opened: ExitStack) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "open", lambda: self._open(opened)
        yield "settle_in", self._settle_in
        yield "stranger_may_not_activate", self._stranger_activates
        yield "activated_with_consent", self._activate
        yield "found_among_expected", self._found_among_expected
        yield "too_many_then_digits", self._too_many_then_digits
        yield "called_patient_pays_once", self._called
        yield "by_last_four_digits", self._by_last_digits
        yield "stranger_is_unknown", self._stranger
        for kind in AttackKind:
            yield f"{kind.value}_is_refused", partial(self._attack, kind)
        yield "wrong_turns_are_refused", self._wrong_turns
        yield "replayed_frames_are_refused", self._replayed
        yield "altered_chain_is_refused", self._altered
        yield "expired_proof_is_refused", self._expired
        yield "one_of_many_threads_wins", self._race
        yield "consent_withdrawn", self._withdraw
        yield "face_no_longer_found", self._no_longer_found
        yield "nothing_in_the_clear", self._raw_search

    # --- a city and its terminals ----------------------------------------------------------------

    def _open(self, opened: ExitStack) -> str:
        self._samples = sample_pictures()
        self._district = district = District(self._settings, opened, clock=self._clock)
        district.side.institutions.contract(city.HOSPITAL)
        district.register_model()
        district.wait_after_start()
        self._kiosk, self._room = (
            self._installed(spec.place.name, spec.scenes)
            for spec in (city.KIOSK, city.CONSULTING_ROOM)
        )
        claim = self._kiosk.simulated.claim()
        asked = NoticeBody(scene=Scene.REGISTRATION.value, claim=claim)
        notice = self._post(NOTICE_PATH, asked, NoticeAnswer)
        self._notice = notice.version
        ticked = sum(tick.ticked for tick in notice.ticks)
        return (
            f"终端监听 {district.base}，公安人口信息替身 {district.police.origin}，都是真的服务；"
            f"两台模拟终端已登记、审核；告知书 {notice.version}，{len(notice.ticks)} 个勾，"
            f"预先勾上 {ticked} 个"
        )

    def _installed(self, name: str, scenes: Collection[str]) -> _Desk:
        simulated = self._district.install(name, scenes=scenes)
        return _Desk(simulated, self._district.capture_client(simulated))

    def _settle_in(self) -> str:
        side, began = self._district.side, time.perf_counter()
        real = (city.PATIENT, *city.OTHERS)
        alike = list(islice(_alike(city.PATIENT), ALIKE))
        made_up = [*self._made_up(self._count - len(real) - len(alike)), *alike]
        people = [*(_listed(person) for person in real), *made_up]
        side.insured.persons.import_csv(people_csv(people))
        imported = time.perf_counter()
        self._numbers = [self._number_of(person.id_number) for person in people]
        templates = self._templates(len(made_up))
        with ThreadPoolExecutor(_SETTLING_THREADS) as threads:
            settle = partial(city.activate_sample, side, clock=self._district.clock)
            list(threads.map(settle, self._numbers[1:], templates))
        settled = time.perf_counter()
        put_people(self._district.police.registry, [city.PATIENT], self._samples)
        return (
            f"名单导入 {len(people)} 人（都满 {OWN_CONSENT_AGE} 周岁），{imported - began:.1f} 秒；"
            f"{len(templates)} 人开码、同意、留特征，{settled - imported:.1f} 秒"
            f"（{_SETTLING_THREADS} 个线程，同一组提交）。其中 "
            f"{len(city.OTHERS)} 人是示例照片，{len(made_up)} 人的特征是随机向量（不是人脸，"
            f"只占位），{len(alike)} 人的号码后四位特意和患者相同；"
            f"患者在册、未开码，公安替身里有其照片"
        )

    def _made_up(self, count: int) -> list[CityPerson]:
        """People who agree for themselves; children need a guardian and are not part of this."""
        born_until = self._today.year - OWN_CONSENT_AGE - 1
        listed = sample_people(2 * count, seed=self._seed)
        own = [each for each in listed if each.id_number.birth_date.year <= born_until]
        expect(len(own) >= count, "enough people of age", len(own))
        return own[:count]

    def _templates(self, synthetic: int) -> list[NewTemplate]:
        engine = self._district.side.engine
        measured = [
            engine.measure(self._samples[person.enrolled].picture(), Purpose.ENROL)
            for person in city.OTHERS
        ]
        vectors = synthetic_vectors(synthetic, engine.dimension, seed=self._seed)
        return [
            *(NewTemplate(each.embedding, each.path_id, each.quality.score) for each in measured),
            *(NewTemplate(vector, engine.path_id, SYNTHETIC_QUALITY) for vector in vectors),
        ]

    def _number_of(self, id_number: IdNumber) -> PersonNo:
        found = self._district.side.insured.persons.by_number(id_number)
        if found is None:
            raise VisitWentWrong("expected a listed person, found nobody")
        return found

    # --- the patient -----------------------------------------------------------------------------

    def _stranger_activates(self) -> str:
        """Somebody else types the patient's number and does all that is asked."""
        person = self._person(IMPOSTOR_SEEN)
        _, answer = self._scan(self._kiosk, _TYPED, person, consents=_TICKS)
        return self._refused_scan(answer, "verification.registry_no_match")

    def _activate(self) -> str:
        person = self._person(city.PATIENT_SEEN)
        begun, answer = self._scan(self._kiosk, _TYPED, person, consents=_TICKS)
        found = self._the_patient(answer)
        expect(found.activated, "an activated voucher", found.standing)
        expect(found.basis is Basis.REGISTRY, "the registry's decision", found.basis)
        insured = self._district.side.insured
        held = insured.templates.with_template([self._patient])
        expect(bool(held), "a template", "none")
        in_force = insured.consents.in_force(self._patient)
        self._recorded = (begun, tuple(person.shown))
        return (
            f"{len(person.shown)} 帧，按提示转头，公安核验一致（{_verdict(found)}），当场开码；"
            f"同意在案：{'、'.join(sorted(in_force))}；特征已加密留存，没有绕路"
        )

    def _found_among_expected(self) -> str:
        limit = self._district.side.verification.people_max
        expect(limit < len(self._numbers), "more people than may be searched", limit)
        for psn_no in self._numbers[:limit]:
            self._expect_today(psn_no)
        person = self._person(city.PATIENT_SEEN)
        _, answer = self._scan(self._kiosk, ExpectedBody(kind="expected"), person)
        found = self._the_patient(answer)
        point = self._district.settings.identification_fpir_max
        return (
            f"不报号码，在今天预约的 {_compared(found)} 人里认出（按已证实的误认率最多 {limit} 人，"
            f"每次刷脸误认不超过 {point:.1%}）；{_bound(found)}；{len(person.shown)} 帧"
        )

    def _too_many_then_digits(self) -> str:
        one_more = self._numbers[self._district.side.verification.people_max]
        self._expect_today(one_more)
        desk, person = self._kiosk, self._person(city.PATIENT_SEEN)
        begun = self._begin(desk, ExpectedBody(kind="expected"), Scene.REGISTRATION)
        with desk.client.stream(begun) as stream:
            stream.open()
            first = stream.capture(person)
            expect(
                isinstance(first, ResultMessage)
                and first.unknown is UnknownReason.TOO_MANY_PEOPLE
                and first.person is None,
                "too many people",
                _told(first),
            )
            stream.again(_DIGITS)
            found = self._the_patient(stream.capture(person))
        self._forget_today(one_more)
        self._keep(person.shown)
        return (
            f"再多 1 人就不认（too_many_people，没有看分数）；同一条连接上输入后四位，"
            f"与 {_compared(found)} 人比对后认出；{_bound(found)}"
        )

    def _called(self) -> str:
        proof = self._paying_proof()
        code = "verification.proof_other"
        told = [
            decision_refused(
                lambda: self._redeem(proof, institution=_OTHER_HOSPITAL), f"{code}_institution"
            ),
            decision_refused(lambda: self._redeem(proof, intent_id=_intent()), f"{code}_intent"),
            decision_refused(
                lambda: self._redeem(proof, amount_fen=Fen(_AMOUNT + 1)),
                "verification.proof_amount_exceeded",
            ),
        ]
        first = self._redeem(proof)
        expect(self._redeem(proof) == first, "the same answer", "another one")
        told.append(
            decision_refused(lambda: self._redeem(proof, use="again"), "verification.proof_used_up")
        )
        return (
            f"叫到的患者坐下，1:1 核验（人脸 + 叫号），本人对着 {format_yuan(_AMOUNT)} 元确认，"
            f"得到授权号；核销 1 次，重复核销得到同一答复；"
            f"别的机构、别的事、多 1 分钱、第二次都不行：{'；'.join(told)}"
        )

    def _by_last_digits(self) -> str:
        person = self._person(city.PATIENT_SEEN)
        _, answer = self._scan(self._kiosk, _DIGITS, person)
        found = self._the_patient(answer)
        return (
            f"{len(self._numbers)} 人里后四位相同的有 {_compared(found)} 人，只和他们比对，认出；"
            f"{_bound(found)}；后四位只用来区分人，不作为支付的凭据"
        )

    # --- who is refused --------------------------------------------------------------------------

    def _stranger(self) -> str:
        _, searched = self._scan(
            self._kiosk, ExpectedBody(kind="expected"), self._person(city.STRANGER_SEEN)
        )
        self._call_patient()
        _, seated = self._scan(
            self._room,
            CalledBody(kind="called"),
            self._person(IMPOSTOR_SEEN),
            scene=Scene.CONSULTATION,
        )
        return (
            f"大厅：没有认出（{_unknown(searched)}）；叫的是患者、坐下的是别人：{_unknown(seated)}，"
            f"什么都没有办；可以改用医保码、医保卡或身份证"
        )

    def _attack(self, kind: AttackKind) -> str:
        """A flat picture of the patient before a terminal that asks for turns."""
        picture = simulate(self._samples[city.PATIENT_SEEN].picture(), kind, self._seed)
        face = self._district.side.engine.inspect(picture).face
        if face is None:
            raise VisitWentWrong("expected a face on the instrument, found none")
        held = self._before_camera(Actor(picture, face.box), does_nothing, frame=_SLOW_FRAME)
        answer = self._scan_called(held)
        told = self._refused_scan(answer, "verification.not_live")
        return f"（模拟的攻击）{len(held.shown)} 帧，{told}"

    def _wrong_turns(self) -> str:
        answer = self._scan_called(self._person(city.PATIENT_SEEN, turns_the_wrong_way))
        return self._refused_scan(answer, "verification.not_live")

    def _replayed(self) -> str:
        earlier, frames = self._recorded
        told = [
            self._first_words_refused(earlier, "verification.session_closed"),
            self._first_words_refused(self._with_old_ticket(earlier), "verification.ticket_wrong"),
            self._recorded_message(earlier, frames[0]),
        ]
        lucky, answer = 0, self._scan_called(self._plays(frames))
        while isinstance(answer, ResultMessage) and lucky < _LUCKY_MAX:
            lucky, answer = lucky + 1, self._scan_called(self._plays(frames))
        told.append(self._refused_scan(answer, "verification.not_live"))
        luck = f"（前 {lucky} 次碰巧要的是同样的动作）" if lucky else ""
        return (
            f"再开旧的一次：{told[0]}；旧凭据开新的：{told[1]}；旧画面带着旧的链：{told[2]}；"
            f"偷了终端密钥、把录像重新编链{luck}：{told[3]}。"
            f"录像只有碰上同样的动作才过得去（八分之一），所以动作每次现抽、一步一步给"
        )

    def _recorded_message(self, earlier: BeginAnswer, jpeg: bytes) -> str:
        self._call_patient()
        begun = self._begin(self._room, CalledBody(kind="called"), Scene.SETTLEMENT)
        with self._room.client.stream(begun) as stream:
            stream.open()
            stream.send(pack_frame(Chain.begun(earlier.nonce), jpeg)[1])
            return self._refused_scan(stream.hear(), "verification.frame_chain_broken")

    def _with_old_ticket(self, earlier: BeginAnswer) -> BeginAnswer:
        self._call_patient()
        begun = self._begin(self._room, CalledBody(kind="called"), Scene.SETTLEMENT)
        return begun.model_copy(update={"ticket": earlier.ticket})

    def _first_words_refused(self, begun: BeginAnswer, code: str) -> str:
        with self._room.client.stream(begun) as stream:
            return self._refused_scan(stream.open(), code)

    def _altered(self) -> str:
        self._call_patient()
        begun = self._begin(self._room, CalledBody(kind="called"), Scene.SETTLEMENT)
        person = self._person(city.PATIENT_SEEN)
        with self._room.client.stream(begun) as stream:
            stream.open()
            stream.show(person(None))
            message = pack_frame(stream.chain, person(None))[1]
            stream.send(message[:-1] + bytes([message[-1] ^ 1]))
            altered = self._refused_scan(stream.hear(), "verification.frame_chain_broken")
        begun = self._begin(self._room, CalledBody(kind="called"), Scene.SETTLEMENT)
        with self._room.client.stream(begun) as stream:
            stream.open()
            stream.watch(self._person(city.PATIENT_SEEN))
            signed = stream.end(SigningKey.generate(Algorithm.SM2_SM3))
        return (
            f"第 2 帧在路上改了 1 个比特：{altered}；"
            f"结尾不是这台终端签的：{self._refused_scan(signed, 'terminals.signature_wrong')}"
        )

    def _expired(self) -> str:
        proof = self._paying_proof()
        self._district.wait(_PROOF_LIFE)
        return decision_refused(lambda: self._redeem(proof), "verification.proof_expired")

    def _race(self) -> str:
        proof, start = self._paying_proof(), Barrier(THREADS)

        def redeem(number: int) -> str:
            start.wait()
            try:
                self._redeem(proof, use=f"settle-{number}")
            except Refused as refused:
                return refused.kind.code
            return "redeemed"

        with ThreadPoolExecutor(THREADS) as threads:
            found = Counter(threads.map(redeem, range(THREADS)))
        used_up = "verification.proof_used_up"
        expect(found == {"redeemed": 1, used_up: THREADS - 1}, "one winner", dict(found))
        return (
            f"{THREADS} 个线程同时核销一个授权号、各办各的事：成 1 个，"
            f"{found[used_up]} 个被拒绝（{used_up}）"
        )

    # --- taking it back --------------------------------------------------------------------------

    def _withdraw(self) -> str:
        scene = Scene.INSURED_SERVICES
        begun, answer = self._scan(
            self._kiosk, _TYPED, self._person(city.PATIENT_SEEN), scene=scene
        )
        self._the_patient(answer)
        proof = self._prove(self._kiosk, begun, scene)
        body = WithdrawalBody(
            claim=self._kiosk.simulated.claim(),
            auth_no=proof.auth_no,
            intent_id=proof.intent_id,
            purpose=ConsentPurpose.TEMPLATE,
        )
        withdrawn = self._post(WITHDRAWAL_PATH, body, WithdrawalAnswer)
        receipt = withdrawn.receipt
        if receipt is None:
            raise VisitWentWrong("expected a deletion receipt, found none")
        expect(sum(store.deleted for store in receipt.stores) > 0, "deletions", receipt.stores)
        return f"本人刷脸确认后撤回“保留特征”。凭条：{'；'.join(receipt.print_zh)}"

    def _no_longer_found(self) -> str:
        _, by_digits = self._scan(self._kiosk, _DIGITS, self._person(city.PATIENT_SEEN))
        missing = _unknown(by_digits)
        _, by_number = self._scan(self._kiosk, _TYPED, self._person(city.PATIENT_SEEN))
        found = self._the_patient(by_number)
        expect(found.basis is Basis.REGISTRY, "the registry's decision", found.basis)
        return (
            f"同一张脸、同样的后四位：没有认出（{missing}）；"
            f"报全号码、只由公安核验（{_verdict(found)}），照样能办"
        )

    def _raw_search(self) -> str:
        """What somebody finds who holds the files and not the keys' use."""
        pieces = [piece for jpeg in self._shown for piece in _pieces(jpeg)]
        search = search_files(self._settings.data_dir, [city.PATIENT.name.encode(), *pieces])
        expect(not search.found_in, "nothing in the clear", search.found_in)
        return (
            f"逐字节查了数据目录 {search.files} 个文件、{search.size_bytes / 2**20:.1f} MB"
            f"（含公安替身和终端的）：没有 JPEG，没有抽查的 {len(self._shown)} 帧画面的片段，"
            f"没有患者姓名，没有任何人的身份证号"
        )

    # --- how it is done --------------------------------------------------------------------------

    @property
    def _patient(self) -> PersonNo:
        return self._numbers[0]

    def _person(self, name: str, habit: Habit = obeys) -> Person:
        return self._before_camera(Actor.of(self._samples[name]), habit)

    def _before_camera(self, actor: Actor, habit: Habit, *, frame: timedelta = _FRAME) -> Person:
        wait = partial(self._district.wait, frame)
        return Person(actor, habit, each=wait, seed=self._seed)

    def _plays(self, frames: Sequence[bytes]) -> Camera:
        """A recording, and its last frame again and again."""
        playing = chain(frames, repeat(frames[-1]))

        def camera(_: SeenMessage | None) -> bytes:
            self._district.wait(_FRAME)
            return next(playing)

        return camera

    def _begin(
        self,
        desk: _Desk,
        look_for: LookForBody,
        scene: Scene,
        *,
        amount_fen: int = 0,
        consents: Collection[ConsentPurpose] = (ConsentPurpose.COMPARISON,),
    ) -> BeginAnswer:
        self._district.beat(desk.simulated)
        return desk.client.begin(
            scene=scene,
            notice_version=self._notice,
            consents=consents,
            look_for=look_for,
            amount_max_fen=amount_fen,
        )

    def _scan(
        self,
        desk: _Desk,
        look_for: LookForBody,
        camera: Camera,
        *,
        scene: Scene = Scene.REGISTRATION,
        amount_fen: int = 0,
        consents: Collection[ConsentPurpose] = (ConsentPurpose.COMPARISON,),
    ) -> tuple[BeginAnswer, Answer]:
        begun = self._begin(desk, look_for, scene, amount_fen=amount_fen, consents=consents)
        answer = desk.client.capture(begun, camera)
        if isinstance(camera, Person):
            self._keep(camera.shown)
        return begun, answer

    def _scan_called(self, camera: Camera) -> Answer:
        """Before the consulting room's terminal, which asks for turns because money is meant."""
        self._call_patient()
        _, answer = self._scan(
            self._room,
            CalledBody(kind="called"),
            camera,
            scene=Scene.SETTLEMENT,
            amount_fen=_AMOUNT,
        )
        return answer

    def _keep(self, shown: Sequence[bytes]) -> None:
        """A few frames of a capture, to look for them in the files."""
        self._shown += [shown[0], shown[len(shown) // 2], shown[-1]]

    def _paying_proof(self) -> _Proof:
        self._call_patient()
        begun, answer = self._scan(
            self._room,
            CalledBody(kind="called"),
            self._person(city.PATIENT_SEEN),
            scene=Scene.SETTLEMENT,
            amount_fen=_AMOUNT,
        )
        self._the_patient(answer)
        return self._prove(self._room, begun, Scene.SETTLEMENT, _AMOUNT)

    def _prove(self, desk: _Desk, begun: BeginAnswer, scene: Scene, amount_fen: int = 0) -> _Proof:
        intent_id = _intent()
        intent = IntentBody(intent_id=intent_id, scene=scene, amount_max_fen=amount_fen)
        proof = desk.client.prove(begun.session_id, intent)
        expect(proof.psn_no == self._patient, "the patient's proof", "somebody else's")
        return _Proof(AuthNo(proof.auth_no), intent_id, desk, scene)

    def _redeem(
        self,
        proof: _Proof,
        *,
        use: str = "settle",
        amount_fen: Fen = _AMOUNT,
        intent_id: IntentId | None = None,
        institution: InstitutionCode = city.HOSPITAL.fixmedins_code,
    ) -> Redemption:
        """As a hospital redeems; what is given is what somebody has got wrong."""
        return self._district.side.verification.redeem(
            proof.auth_no,
            intent_id=intent_id or proof.intent_id,
            use=use,
            amount_fen=amount_fen,
            expected_institution=institution,
            expected_terminal=proof.desk.terminal_id,
            expected_scene=proof.scene,
            expected_subject=self._patient,
            expected_beneficiary=self._patient,
            expected_relation=Relation.SELF,
        )

    def _call_patient(self) -> None:
        self._district.side.insured.expectations.call(
            self._room.terminal_id, city.HOSPITAL.fixmedins_code, self._patient
        )

    def _expect_today(self, psn_no: PersonNo) -> None:
        self._district.side.insured.expectations.expect(
            city.HOSPITAL.fixmedins_code, psn_no, day=self._today, why=ExpectedFor.APPOINTMENT
        )

    def _forget_today(self, psn_no: PersonNo) -> None:
        self._district.side.insured.expectations.forget(
            city.HOSPITAL.fixmedins_code, psn_no, day=self._today, why=ExpectedFor.APPOINTMENT
        )

    @property
    def _today(self) -> date:
        return business_date(self._district.clock.now())

    def _post(self, path: str, body: BaseModel, expected: type[Found]) -> Found:
        """A signed request of the hall's terminal."""
        answer = self._district.http.post(
            path,
            content=body.model_dump_json().encode(),
            headers={"content-type": "application/json"},
            auth=self._kiosk.simulated.agent.signer(),
        )
        expect(answer.is_success, "an answer", answer.json().get("code"))
        return expected.model_validate_json(answer.content)

    def _the_patient(self, answer: object) -> ResultMessage:
        if not isinstance(answer, ResultMessage) or answer.person is None:
            raise VisitWentWrong(f"expected the patient, found {_told(answer)}")
        expect(answer.state is SessionState.VERIFIED, "a verified person", answer.state.value)
        masked = IdNumber(city.PATIENT.id_number).masked
        expect(answer.person.masked_id_number == masked, "the patient", "somebody else")
        return answer

    def _refused_scan(self, answer: object, code: str) -> str:
        if not isinstance(answer, RefusedMessage):
            raise VisitWentWrong(f"expected {code}, found {_told(answer)}")
        expect(answer.code == code, code, answer.code)
        return f"被拒绝：{answer.message.zh}（{code}，对本人说 {answer.told}）"


_TYPED = TypedNumberBody(kind="typed_number", id_number=city.PATIENT.id_number)
_DIGITS = LastDigitsBody(kind="last_digits", digits=city.PATIENT.id_number[-4:])


def _listed(person: city.SamplePerson) -> CityPerson:
    insurance = Insurance(city.EMPLOYEES, person.psn_type, SANDBOX_REGION)
    return CityPerson(IdNumber(person.id_number), person.name, insurance)


def _alike(person: city.SamplePerson) -> Iterator[CityPerson]:
    """Made-up people born after somebody whose ID numbers end with the same four characters."""
    first = IdNumber(person.id_number).birth_date
    for days in count(1):
        body = f"{SANDBOX_REGION}{first + timedelta(days=days):%Y%m%d}{person.sequence}"
        if check_character(body) == person.id_number[-1]:
            insurance = Insurance(city.EMPLOYEES, person.psn_type, SANDBOX_REGION)
            yield CityPerson(IdNumber(body + check_character(body)), "王同尾", insurance)


def _intent() -> IntentId:
    return IntentId(new_identifier())


def _pieces(jpeg: bytes) -> Iterator[bytes]:
    """Of the compressed picture itself, which no other picture shares."""
    for part in (2, 3, 4):
        start = len(jpeg) * part // 5
        yield jpeg[start : start + _PIECE_BYTES]


def _told(answer: object) -> str:
    """What an answer came to, without anything about a person."""
    if isinstance(answer, RefusedMessage):
        return answer.code
    if isinstance(answer, ResultMessage):
        return answer.unknown.value if answer.unknown else answer.state.value
    return type(answer).__name__


def _unknown(answer: Answer) -> str:
    if not isinstance(answer, ResultMessage) or answer.unknown is None:
        raise VisitWentWrong(f"expected nobody, found {_told(answer)}")
    expect(answer.person is None, "nobody", "a person")
    return answer.unknown.value


def _compared(found: ResultMessage) -> int:
    return found.certainty.comparisons if found.certainty else 0


def _bound(found: ResultMessage) -> str:
    certainty = found.certainty
    if certainty is None or certainty.error_upper95 is None:
        return "公安的误认率我们不知道"
    proven = "" if certainty.proven_for_population else "，对本地人群未经证实"
    return f"误认上限 {certainty.error_upper95:.2%}（95 % 置信{proven}），公安核验{_verdict(found)}"


def _verdict(found: ResultMessage) -> str:
    return "一致" if found.registry is RegistryVerdict.MATCH else str(found.registry)
