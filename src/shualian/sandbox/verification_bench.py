"""How many captures a second one insurer takes, and how long each answer takes, under terminals.

Terminals are simulated and do what a real one does: each has its own enrolled key, signs its
requests over loopback HTTP, opens a WebSocket for each capture, has one frame in flight, sends no
faster than its camera, follows the prompts and signs the end. Their frames are encoded before
anything is measured, and they run in a process of their own, but on the same cores as the insurer:
what they use is reported beside. Every latency stands beside what the bare engine needs for the
same frames in the same run, and beside that of a single terminal.
"""

import os
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import httpx

from shualian.core.clock import Clock, SystemClock, business_date
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.face.engine import FaceEngine
from shualian.face.liveness.challenge import Turn
from shualian.face.liveness.decision import LivenessLevel
from shualian.face.model import Inspection, Measurement, Picture, Profile, Purpose
from shualian.face.pictures import decode_picture
from shualian.sandbox import city
from shualian.sandbox.city import SamplePerson
from shualian.sandbox.district import AheadClock, District, SimulatedTerminal
from shualian.sandbox.player import FRAMES_PER_SECOND, Actor, FaceVideo
from shualian.sandbox.police_registry.model import Fault, FaultKind
from shualian.sandbox.police_registry.server import put_people
from shualian.sandbox.samples import SamplePicture, sample_pictures
from shualian.sandbox.simulated_person import TURNED
from shualian.terminals.agent.model import INSURER_REFUSED
from shualian.terminals.agent.service import TerminalAgent
from shualian.terminals.agent.store import AgentFolder
from shualian.trust.signatures import Algorithm
from shualian.verification.captures.client import CaptureClient, CaptureStream
from shualian.verification.captures.model import (
    CAPTURES_BUSY,
    DocumentBody,
    EnoughMessage,
    ExpectedBody,
    LookForBody,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
)
from shualian.verification.expectations.model import ExpectedFor
from shualian.verification.model import ConsentPurpose, Scene, SessionState
from shualian.verification.registry.model import RegistryVerdict

SEEN = (
    (city.PATIENT, city.PATIENT_SEEN),
    (city.OTHERS[1], "president_a_2"),
)
"""Who stands before the terminals, and the picture that is seen of each: not the enrolled one."""

_SEED = 35
_FRONTAL_FRAMES, _TURNED_FRAMES = 24, 6
_BARE_CALLS = 40
_YAW = {Turn.LEFT: TURNED, Turn.RIGHT: -TURNED, Turn.BACK: 0.0}
_STEP = 8.0
"""Degrees a frame: 120 a second at 15 frames."""
_ANGLES = [_STEP * step for step in range(round(-TURNED / _STEP), round(TURNED / _STEP) + 1)]

Given = TypeVar("Given")
Frames = Mapping[float, Sequence[bytes]]
"""Encoded frames of one person by the angle of the head."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer took, in milliseconds."""

    median_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class BareEngine:
    """The engine alone, one call after the other in one thread, medians in milliseconds.

    Attributes:
        decode_ms: A JPEG of 640 x 480 made a picture.
        hint_ms: One look of the live loop.
        decision_ms: Everything that a decision needs of one frame.
    """

    decode_ms: float
    hint_ms: float
    decision_ms: float


@dataclass(frozen=True, slots=True)
class Load:
    """What some terminals met that captured at the same time, without a pause between captures.

    Attributes:
        terminals: How many.
        captures: How many captures were begun.
        verified: That named the person who stood there.
        degraded: Of these, without an answer of the police registry.
        unknown: That were decided without a name.
        refused: By code, all others.
        busy: Of these, told to come again because too many captures ran.
        seconds: From the first begin to the last result.
        captures_per_s: Decided or refused captures.
        frames_per_s: Frames answered.
        frames_per_capture: Mean.
        begin: The signed request that opens a capture.
        hint: From a frame that is sent to what it came to; some frames are only looked at, the
            good ones are measured for the decision before they are answered.
        turning: Of these, while somebody was asked to turn, which no frame may delay.
        decision: From the signed end to the result, with the police registry's answer.
        hint_of_bare: Median, by a decoded and looked-at frame of the bare engine.
        decision_of_bare: Median, by a decision of the bare engine.
        looks_per_capture: Calls of the engine for a hint, mean.
        measures_per_capture: Calls of the engine for a decision, mean.
        engine_hint_ms: Processor time of one look, mean.
        engine_decision_ms: Processor time of one measurement, mean.
        engine_ms_per_capture: Processor time of all calls for one capture, mean.
        insurer_cores: Processors that the insurer's process kept busy, mean; the police registry's
            stand-in is in that process.
        engine_share: Of the insurer's processor time, without what the registry's engine uses.
        terminals_cores: Processors that the terminals' process kept busy, mean.
        of_engine_limit: ``captures_per_s`` by what all cores would do if they did nothing but the
            same engine calls and decodings at the bare engine's speed.
    """

    terminals: int
    captures: int
    verified: int
    degraded: int
    unknown: int
    refused: Mapping[str, int]
    busy: int
    seconds: float
    captures_per_s: float
    frames_per_s: float
    frames_per_capture: float
    begin: Latency
    hint: Latency
    turning: Latency
    decision: Latency
    hint_of_bare: float
    decision_of_bare: float
    looks_per_capture: float
    measures_per_capture: float
    engine_hint_ms: float
    engine_decision_ms: float
    engine_ms_per_capture: float
    insurer_cores: float
    engine_share: float
    terminals_cores: float
    of_engine_limit: float


@dataclass(frozen=True, slots=True)
class VerificationRates:
    """One terminal beside many.

    Attributes:
        cores: Shared by the insurer, the registry's stand-in and the terminals.
        load_average: Of the machine in the minute before, by others.
        frames_per_second_max: No terminal sends faster.
        with_registry: Whether the police registry's stand-in answered.
        bare: The engine alone.
        one: A single terminal.
        many: All terminals.
    """

    cores: int
    load_average: float
    frames_per_second_max: float
    with_registry: bool
    bare: BareEngine
    one: Load
    many: Load


def measure(
    settings: Settings,
    *,
    clock: Clock,
    terminals: int,
    captures: int,
    pace: float = FRAMES_PER_SECOND,
    with_registry: bool = True,
) -> VerificationRates:
    """Play captures of one terminal and then of many; half of them passive, half active.

    Args:
        settings: Whose data folder holds everything.
        clock: The machine's.
        terminals: 1 or more.
        captures: Of each terminal, 1 or more; a single terminal makes at least two.
        pace: Frames a second that a camera gives, at most.
        with_registry: Whether the police registry's stand-in answers; else it drops every
            question, and every scan is degraded.

    Raises:
        Refused: When samples, weights or keys are not as they must be.
    """
    load_average = os.getloadavg()[0]
    with ExitStack() as opened:
        samples = sample_pictures()
        district = District(settings, opened, clock=clock)
        _settle(district, samples)
        if not with_registry:
            district.police.registry.faults.set(Fault(FaultKind.UNREACHABLE))
        for number in range(1, terminals + 1):
            district.install(f"{number} 号机")
        people = [_frames_of(samples[picture]) for _, picture in SEEN]
        bare = _bare(district.side.engine, people)
        engine = _WatchedEngine(district.side.engine)
        district.side.captures.engine = engine
        hall = _Hall.before(district, people, pace)
        with _process(hall) as play:
            play(1, 1)  # whatever is slow at first
            one = _load(play, engine, bare, terminals=1, captures=max(2, captures))
            many = _load(play, engine, bare, terminals=terminals, captures=captures)
    cores = os.cpu_count() or 1
    return VerificationRates(cores, round(load_average, 2), pace, with_registry, bare, one, many)


def _settle(district: District, samples: Mapping[str, SamplePicture]) -> None:
    """Sample people who are insured, enrolled, known to the registry and expected today."""
    put_people(district.police.registry, (city.PATIENT, *city.OTHERS), samples)
    district.register_model()
    district.wait_after_start()
    day = business_date(district.clock.now())
    for psn_no in city.people_city(district.side, samples, district.clock).values():
        district.side.insured.expectations.expect(
            city.HOSPITAL.fixmedins_code, psn_no, day=day, why=ExpectedFor.APPOINTMENT
        )


# --- the engine alone, and the engine watched ----------------------------------------------------


def _bare(engine: FaceEngine, people: Sequence[Frames]) -> BareEngine:
    encoded = [frame for frames in people for frame in frames[0.0]][:_BARE_CALLS]
    pictures = [decode_picture(each) for each in encoded]
    return BareEngine(
        decode_ms=_median_ms(decode_picture, encoded),
        hint_ms=_median_ms(engine.inspect, pictures),
        decision_ms=_median_ms(engine.measure, pictures),
    )


def _median_ms(call: Callable[[Given], object], given: Sequence[Given]) -> float:
    times = []
    for each in given:
        began = time.perf_counter()
        call(each)
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 2)


class _WatchedEngine:
    """Counts calls and the processor time of the threads that make them."""

    def __init__(self, engine: FaceEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def inspect(
        self, frame: Picture, *, profile: Profile, previous: Inspection | None
    ) -> Inspection:
        with self._watched("look"):
            return self._engine.inspect(frame, profile=profile, previous=previous)

    def measure(self, frame: Picture, purpose: Purpose, *, profile: Profile) -> Measurement:
        with self._watched("measure"):
            return self._engine.measure(frame, purpose, profile=profile)

    @contextmanager
    def _watched(self, name: str) -> Iterator[None]:
        # Each network runs in the thread that calls it, so the thread's time is all of it.
        began = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self.calls[name] += 1
                self.seconds[name] += time.thread_time() - began


# --- the terminals, in a process of their own ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Hall:
    """All that the terminals' process needs to know.

    Attributes:
        origin: What terminals sign.
        base: Where the listener is reached.
        notice_version: That is shown.
        ahead: How far the insurer's clock is before the machine's.
        folders: Of the terminals' keys.
        people: Encoded frames, in the order of :data:`SEEN`.
        pace: Frames a second.
    """

    origin: str
    base: str
    notice_version: str
    ahead: timedelta
    folders: Sequence[Path]
    people: Sequence[Frames] = field(repr=False)
    pace: float

    @classmethod
    def before(
        cls,
        district: District,
        people: Sequence[Frames],
        pace: float,
    ) -> "_Hall":
        """Before the listener of a district."""
        return cls(
            origin=district.origin,
            base=district.base,
            notice_version=district.side.insured.notices.current.version,
            ahead=district.clock.now() - SystemClock().now(),
            folders=sorted(district.settings.data_dir.glob("terminal-*")),
            people=people,
            pace=pace,
        )


@dataclass(slots=True)
class _Noted:
    """What terminals noted: seconds of each answer, and what captures came to."""

    begin: list[float] = field(default_factory=list)
    hint: list[float] = field(default_factory=list)
    turning: list[float] = field(default_factory=list)
    decision: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, other: "_Noted") -> None:
        """Join what another terminal noted."""
        self.begin += other.begin
        self.hint += other.hint
        self.turning += other.turning
        self.decision += other.decision
        self.outcomes += other.outcomes
        self.degraded += other.degraded


_Play = Callable[[int, int], _Noted]
_hall: _Hall


@contextmanager
def _process(hall: _Hall) -> Iterator[_Play]:
    """A process in which so many terminals capture so many times each."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_enter, initargs=(hall,)
    ) as pool:
        yield lambda terminals, captures: pool.submit(_captured, terminals, captures).result()


def _enter(hall: _Hall) -> None:
    global _hall  # noqa: PLW0603 - how a pool hands things to its process
    _hall = hall


def _captured(terminals: int, captures: int) -> _Noted:
    """Let terminals capture at the same time; runs in their process."""
    noted, limits = _Noted(), httpx.Limits(max_connections=terminals)
    with (
        httpx.Client(base_url=_hall.base, timeout=60, trust_env=False, limits=limits) as http,
        ThreadPoolExecutor(terminals) as threads,
    ):
        players = [_Player(_hall, http, number) for number in range(terminals)]
        began, began_cpu = time.perf_counter(), time.process_time()
        for each in threads.map(lambda player: player.play(captures), players):
            noted.add(each)
        noted.seconds = time.perf_counter() - began
        noted.cpu_seconds = time.process_time() - began_cpu
    return noted


class _Player:
    """One terminal and the people who come to it, one after the other."""

    def __init__(self, hall: _Hall, http: httpx.Client, number: int) -> None:
        clock = AheadClock(SystemClock())
        clock.wait(hall.ahead)
        folder = AgentFolder(hall.folders[number], mode=Mode.SANDBOX)
        agent = TerminalAgent(
            http=http, origin=hall.origin, folder=folder, algorithm=Algorithm.SM2_SM3, clock=clock
        )
        terminal = SimulatedTerminal(agent, folder)
        self._client = CaptureClient(
            http=http,
            signer=agent.signer(),
            key=terminal.key(),
            claim=terminal.claim(),
            stream_origin=hall.base.replace("http", "ws", 1),
        )
        self._hall = hall
        self._number = number
        self._noted = _Noted()
        self._sent_at = 0.0

    def play(self, captures: int) -> _Noted:
        """Make captures without a pause; passive and active in turn."""
        for turn in range(self._number, self._number + captures):
            place = turn // 2 % len(SEEN)
            active = turn % 2 == 1
            self._noted.outcomes[
                self._capture(SEEN[place][0], _Face(place, self._hall), active)
            ] += 1
        return self._noted

    def _capture(self, person: SamplePerson, face: "_Face", active: bool) -> str:  # noqa: FBT001
        try:
            began = time.perf_counter()
            begun = self._client.begin(
                scene=Scene.REGISTRATION,
                notice_version=self._hall.notice_version,
                consents=[ConsentPurpose.COMPARISON],
                look_for=_look_for(person, active=active),
            )
            self._noted.begin.append(time.perf_counter() - began)
            if (begun.liveness is LivenessLevel.ACTIVE) is not active:
                return "not_as_asked"
            with self._client.stream(begun) as stream:
                return self._streamed(stream, face)
        except Refused as refused:
            told = refused.details.get("reason")
            is_answer = refused.kind is INSURER_REFUSED and told
            return str(told) if is_answer else refused.kind.code

    def _streamed(self, stream: CaptureStream, face: "_Face") -> str:
        answer: object = stream.open()
        if isinstance(answer, RefusedMessage):
            return answer.code
        seen: SeenMessage | None = None
        while not isinstance(answer, EnoughMessage):
            answer = self._shown(stream, face, seen.prompt if seen else None)
            if isinstance(answer, RefusedMessage):
                return answer.code
            seen = answer if isinstance(answer, SeenMessage) else None
        began = time.perf_counter()
        result = stream.end()
        self._noted.decision.append(time.perf_counter() - began)
        if isinstance(result, ResultMessage) and result.registry is RegistryVerdict.UNAVAILABLE:
            self._noted.degraded += 1
        return _outcome(result)

    def _shown(self, stream: CaptureStream, face: "_Face", asked: Turn | None) -> object:
        jpeg = face.frame(asked)
        due = self._sent_at + 1 / self._hall.pace
        time.sleep(max(0.0, due - time.perf_counter()))
        self._sent_at = time.perf_counter()
        answer = stream.show(jpeg)
        taken = time.perf_counter() - self._sent_at
        self._noted.hint.append(taken)
        if asked is not None:
            self._noted.turning.append(taken)
        return answer


class _Face:
    """Somebody's frames, of the angle to which the head has come."""

    def __init__(self, place: int, hall: _Hall) -> None:
        self._frames = {yaw: cycle(frames) for yaw, frames in hall.people[place].items()}
        self._yaw = 0.0

    def frame(self, asked: Turn | None) -> bytes:
        """The next one, of somebody who does what is asked."""
        left = _YAW[asked or Turn.BACK] - self._yaw
        self._yaw += max(-_STEP, min(_STEP, left))
        return next(self._frames[self._yaw])


def _frames_of(sample: SamplePicture) -> Frames:
    """A person's frames for every angle, as JPEG."""
    return {yaw: tuple(_frames_at(yaw, Actor.of(sample))) for yaw in _ANGLES}


def _frames_at(yaw: float, actor: Actor) -> Iterator[bytes]:
    video = FaceVideo(actor, seed=_SEED, yaw_at=lambda _: yaw)
    return video.encoded_frames(_TURNED_FRAMES if yaw else _FRONTAL_FRAMES)


def _look_for(person: SamplePerson, *, active: bool) -> LookForBody:
    """Among those expected today, which is passive; or by document, which is active."""
    if active:
        return DocumentBody(kind="document", id_number=person.id_number)
    return ExpectedBody(kind="expected")


def _outcome(result: ResultMessage | RefusedMessage) -> str:
    if isinstance(result, RefusedMessage):
        return f"{result.code}: {result.told}"
    return result.state.value if result.unknown is None else f"unknown.{result.unknown.value}"


# --- what it came to -----------------------------------------------------------------------------


def _load(
    play: _Play, engine: _WatchedEngine, bare: BareEngine, *, terminals: int, captures: int
) -> Load:
    engine.reset()
    began = time.process_time()
    noted = play(terminals, captures)
    cpu_seconds = time.process_time() - began
    count, frames = terminals * captures, len(noted.hint)
    hint, decision = _latency(noted.hint), _latency(noted.decision)
    looks, measures = engine.calls["look"], engine.calls["measure"]
    engine_seconds = sum(engine.seconds.values())
    bare_ms = looks * (bare.decode_ms + bare.hint_ms) + measures * bare.decision_ms
    limit_per_s = (os.cpu_count() or 1) * count / (bare_ms / 1000)
    verified, unknown, refused = _sorted(noted.outcomes)
    return Load(
        terminals=terminals,
        captures=count,
        verified=verified,
        degraded=noted.degraded,
        unknown=unknown,
        refused=refused,
        busy=refused.get(CAPTURES_BUSY.code, 0),
        seconds=round(noted.seconds, 1),
        captures_per_s=round(count / noted.seconds, 2),
        frames_per_s=round(frames / noted.seconds, 1),
        frames_per_capture=round(frames / count, 1),
        begin=_latency(noted.begin),
        hint=hint,
        turning=_latency(noted.turning),
        decision=decision,
        hint_of_bare=round(hint.median_ms / (bare.decode_ms + bare.hint_ms), 1),
        decision_of_bare=round(decision.median_ms / bare.decision_ms, 1),
        looks_per_capture=round(looks / count, 1),
        measures_per_capture=round(measures / count, 1),
        engine_hint_ms=round(engine.seconds["look"] * 1000 / max(1, looks), 1),
        engine_decision_ms=round(engine.seconds["measure"] * 1000 / max(1, measures), 1),
        engine_ms_per_capture=round(engine_seconds * 1000 / count),
        insurer_cores=round(cpu_seconds / noted.seconds, 2),
        engine_share=round(engine_seconds / cpu_seconds, 2),
        terminals_cores=round(noted.cpu_seconds / noted.seconds, 2),
        of_engine_limit=round(count / noted.seconds / limit_per_s, 2),
    )


def _sorted(outcomes: Mapping[str, int]) -> tuple[int, int, dict[str, int]]:
    """Verified, unknown, and the rest by code."""
    verified = outcomes.get(SessionState.VERIFIED.value, 0)
    unknown = sum(count for name, count in outcomes.items() if name.startswith("unknown."))
    named = {SessionState.VERIFIED.value}
    return (
        verified,
        unknown,
        {
            name: count
            for name, count in outcomes.items()
            if name not in named and not name.startswith("unknown.")
        },
    )


def _latency(seconds: Sequence[float]) -> Latency:
    """Median and percentiles; zeros when nothing was answered."""
    if len(seconds) < 2:
        only = round(seconds[0] * 1000, 1) if seconds else 0.0
        return Latency(only, only, only)
    cut = statistics.quantiles(seconds, n=100, method="inclusive")
    return Latency(*(round(cut[place - 1] * 1000, 1) for place in (50, 95, 99)))
