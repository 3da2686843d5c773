"""How a simulated terminal comes to be believed, and what everybody else is told.

Register, enrolment, signatures, nonces, the database, the audit and HTTP are the real ones; the
terminal is simulated and its keys lie in files. Staff decide through the use cases directly;
their sign-in has its own tests. The clock is the demo's, so that a late request need not be
waited for.
"""

import secrets
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import httpx
from sqlalchemy import create_engine

from shualian.assembly import InsurerSide, open_insurer_side
from shualian.core.clock import Clock, SettableClock
from shualian.core.identifiers import StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.sandbox import city
from shualian.sandbox.first_visit import Step, VisitWentWrong
from shualian.sandbox.loopback import free_socket, served
from shualian.terminals.agent.model import ClaimBody, sign_request
from shualian.terminals.agent.service import TerminalAgent
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.api import WHO_AM_I_PATH, WhoAmIBody
from shualian.terminals.enrolment.model import EnrolmentCode, KeyId, key_id_of
from shualian.terminals.heartbeat.model import HeartbeatReport
from shualian.terminals.model import InstitutionStaff, InsurerStaff, Place, TerminalClass, label
from shualian.terminals.register.model import (
    CertifiedModel,
    Coordinates,
    PlaceClaim,
    PlaceSpec,
    Position,
    SoftwareVersion,
)
from shualian.trust.audit.checkpoints import CHECKPOINTS_FOLDER, CheckpointFolder
from shualian.trust.audit.model import Break, BreakKind
from shualian.trust.audit.service import ChainReport, public_keys_of, verify_chain
from shualian.trust.keys import FileKeys
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.web.listeners import build_terminal_listener

ALLOWED, ELSEWHERE = "127.0.0.1", "127.0.0.2"
"""Both are loopback; the listener's allow-list holds the first only."""
CERTIFICATE = "SIM-0001"
SCENE, OTHER_SCENE = "01101", "01202"
HALL = Coordinates(39.9042, 116.4074)
FAR = Coordinates(39.99, 116.4074)
SOFTWARE: SoftwareVersion = (2, 1)

ADMINISTRATOR = InstitutionStaff(StaffId("SIM-ADMINISTRATOR"), city.HOSPITAL.fixmedins_code)
SUPERVISOR = InsurerStaff(StaffId("SIM-SUPERVISOR"))

_MODEL = CertifiedModel(
    certificate=CERTIFICATE,
    maker="示例终端厂",
    model="SIM",
    terminal_class=TerminalClass.SIMULATED,
    valid_until=date(2099, 12, 31),
    software_min=(2,),
    software_current=SOFTWARE,
)
_NAMES = {Algorithm.SM2_SM3: "SM2", Algorithm.ECDSA_P256_SHA256: "P-256"}


@dataclass(frozen=True)
class Call:
    """A business request as it goes over the wire; a forger changes one thing of it.

    Attributes:
        url: Of the connection.
        body: As sent.
        headers: With the signature.
        address: From where the connection is made.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]
    address: str = ALLOWED

    def send(self) -> httpx.Response:
        """Over a connection of its own."""
        transport = httpx.HTTPTransport(local_address=self.address)
        with httpx.Client(transport=transport) as http:
            return http.post(self.url, content=self.body, headers=dict(self.headers))


@dataclass(frozen=True)
class SimulatedTerminal:
    """An agent with its folder, and the key that a thief of the folder would have."""

    agent: TerminalAgent
    folder: AgentFolder

    def key(self) -> SigningKey:
        """The present key."""
        return self.folder.key()


class District:
    """The insurer, a terminal listener on loopback, and simulated terminals."""

    def __init__(self, settings: Settings, opened: ExitStack, *, clock: Clock) -> None:
        """Open all of it; ``opened`` closes it."""
        self.clock = SettableClock(clock.now())
        listening = opened.enter_context(free_socket())
        self.origin = _origin(listening)
        self.settings = settings.model_copy(
            update={"terminal_origin": self.origin, "terminal_networks": f"{ALLOWED}/32"}
        )
        self.side: InsurerSide = open_insurer_side(
            self.settings, mode=Mode.SANDBOX, clock=self.clock
        )
        opened.callback(self.side.close)
        listener = build_terminal_listener(self.side, self.settings)
        self.base = opened.enter_context(served(listener, listening))
        self.http = opened.enter_context(httpx.Client(base_url=self.base))

    def wait(self, span: timedelta) -> None:
        """Let the demo's clock run on."""
        self.clock.set(self.clock.now() + span)

    def register_model(self) -> None:
        """Take the simulated model into the register."""
        self.side.terminals.register.register_model(actor=SUPERVISOR, model=_MODEL)

    def terminal(self, algorithm: Algorithm) -> SimulatedTerminal:
        """A new terminal without a key."""
        folder = AgentFolder(
            self.settings.data_dir / f"terminal-{secrets.token_hex(4)}", mode=Mode.SANDBOX
        )
        agent = TerminalAgent(
            http=self.http, origin=self.origin, folder=folder, algorithm=algorithm, clock=self.clock
        )
        return SimulatedTerminal(agent, folder)

    def invite(self, name: str) -> EnrolmentCode:
        """A place in the hall and the code for its terminal."""
        spec = PlaceSpec(
            place=Place(name=name, department="门诊大厅"),
            coordinates=HALL,
            fence_m=100,
            terminal_class=TerminalClass.SIMULATED,
            scenes=frozenset((SCENE,)),
        )
        enrolments = self.side.terminals.enrolments
        return enrolments.create_place(actor=ADMINISTRATOR, spec=spec).code

    def enrol(self, terminal: SimulatedTerminal, code: EnrolmentCode) -> TerminalId:
        """Enrol over HTTP; the terminal then waits for approval."""
        answer = terminal.agent.enrol(code=code, certificate=CERTIFICATE, software=SOFTWARE)
        return TerminalId(answer.terminal_id)

    def approve(
        self, terminal_id: TerminalId, fingerprint: KeyId, *, actor: InsurerStaff = SUPERVISOR
    ) -> None:
        """The supervisor's decision."""
        self.side.terminals.enrolments.approve(
            actor=actor, terminal_id=terminal_id, expected_key_id=fingerprint
        )

    def call(
        self,
        terminal: SimulatedTerminal,
        *,
        key: SigningKey | None = None,
        origin: str | None = None,
        scene: str = SCENE,
        position: Position | None = None,
        late: timedelta = timedelta(0),
    ) -> Call:
        """A signed business request of a terminal."""
        claim = PlaceClaim(terminal.agent.identity().place_id, position)
        body = WhoAmIBody(scene=scene, claim=ClaimBody.made(claim)).model_dump_json().encode()
        headers = sign_request(
            key or terminal.key(),
            method="POST",
            target_uri=(origin or self.origin) + WHO_AM_I_PATH,
            body=body,
            created=self.clock.now() - late,
            nonce=secrets.token_urlsafe(16),
        )
        json = {"content-type": "application/json"}
        return Call(self.base + WHO_AM_I_PATH, body, {**headers, **json})


class TerminalDemo:
    """Plays the steps; one that does not hold ends it."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        """Nothing is opened before :meth:`play`."""
        self._settings = settings
        self._clock = clock
        self._sm2_id = TerminalId("")
        self._district: District
        self._sm2: SimulatedTerminal
        self._p256: SimulatedTerminal

    def play(self) -> Iterator[Step]:
        """The steps in order, each when it is done."""
        with ExitStack() as opened:
            for name, act in (*self._with_listener(opened), *self._after_closing(opened)):
                step = _timed(name, act)
                yield step
                if not step.ok:
                    return

    def _with_listener(self, opened: ExitStack) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "open", lambda: self._open(opened)
        yield "enrol_sm2", self._enrol_sm2
        yield "signed_before_start_is_refused", self._before_start
        yield "pending_is_refused", lambda: self._refusal("terminals.terminal_pending")
        yield "maker_may_not_approve", self._maker
        yield "other_fingerprint_is_refused", self._fingerprint
        yield "approve_sm2", self._approve
        yield "signed_call_sm2", lambda: self._signed_call(self._sm2)
        yield "enrol_and_call_p256", self._p256_life
        yield "heartbeat", self._heartbeat
        yield from self._forgeries()
        yield "key_rotated", self._rotate
        yield "too_old_software_is_refused", self._software
        yield "suspended_is_refused", self._suspend
        yield "revoked_is_refused", self._revoke
        yield "withdrawn_model_is_refused", self._withdraw
        yield "audit_holds", self._audit

    def _after_closing(self, opened: ExitStack) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "tampered_audit_found", lambda: self._tamper(opened)
        yield "cut_tail_found", self._cut_tail

    def _forgeries(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "replay_is_refused", self._replay
        for name, forge, code in (
            ("altered_body", self._altered_body, "body_altered"),
            ("altered_target", self._altered_target, "signature_wrong"),
            ("signed_for_another_service", self._other_origin, "signature_wrong"),
            ("forged_signature", self._forged, "signature_wrong"),
            ("unknown_key", self._unknown_key, "key_unknown"),
            ("no_signature", self._unsigned, "signature_malformed"),
            ("stale", lambda: self._timed_call(minutes=2), "signature_stale"),
            ("from_the_future", lambda: self._timed_call(minutes=-2), "signature_future"),
            ("other_network", self._elsewhere, "network_not_allowed"),
            ("other_scene", lambda: self._called(scene=OTHER_SCENE), "scene_not_allowed"),
            ("other_place", self._moved, "place_disagrees"),
        ):
            yield f"{name}_is_refused", _refusal_of(forge, f"terminals.{code}")

    def _open(self, opened: ExitStack) -> str:
        self._district = District(self._settings, opened, clock=self._clock)
        self._district.register_model()
        return f"医保侧已打开（演练环境），终端监听 {self._district.base}，模拟型号已登记"

    def _enrol_sm2(self) -> str:
        self._sm2 = self._district.terminal(Algorithm.SM2_SM3)
        code = self._district.invite("一层大厅 1 号机")
        self._sm2_id = self._district.enrol(self._sm2, code)
        return f"一次性登记码已用，密钥指纹 {self._sm2.agent.fingerprint()[:16]}…，等待审核"

    def _maker(self) -> str:
        maker = InsurerStaff(ADMINISTRATOR.staff)
        fingerprint = self._sm2.agent.fingerprint()
        return _decision_refused(
            lambda: self._district.approve(self._sm2_id, fingerprint, actor=maker),
            "terminals.creator_is_approver",
        )

    def _fingerprint(self) -> str:
        other = key_id_of(SigningKey.generate(Algorithm.SM2_SM3).public_key)
        return _decision_refused(
            lambda: self._district.approve(self._sm2_id, other), "terminals.fingerprint_differs"
        )

    def _approve(self) -> str:
        self._district.approve(self._sm2_id, self._sm2.agent.fingerprint())
        return "监管人员核对指纹后通过（发码的人不能审核）"

    def _before_start(self) -> str:
        answer = self._refusal("terminals.signed_before_start")
        self._district.wait(timedelta(seconds=10))
        return answer

    def _signed_call(self, terminal: SimulatedTerminal) -> str:
        response = self._district.call(terminal).send()
        _expect(response.status_code == 200, "an answer", _code(response))
        name = _NAMES[terminal.key().public_key.algorithm]
        return f"{name} 签名的请求通过：{response.json()['place']}"

    def _p256_life(self) -> str:
        district = self._district
        self._p256 = district.terminal(Algorithm.ECDSA_P256_SHA256)
        terminal_id = district.enrol(self._p256, district.invite("一层大厅 2 号机"))
        district.approve(terminal_id, self._p256.agent.fingerprint())
        return self._signed_call(self._p256)

    def _heartbeat(self) -> str:
        answer = self._sm2.agent.heartbeat(self._report())
        _expect(answer.state == "online", "online", answer.state)
        return f"心跳：{answer.state}"

    def _report(self) -> HeartbeatReport:
        claim = PlaceClaim(self._sm2.agent.identity().place_id, Position(HALL, 10.0))
        return HeartbeatReport(
            software=SOFTWARE, camera_ok=True, disk_free_percent=60, tampered=False, claim=claim
        )

    def _called(self, *, scene: str = SCENE, position: Position | None = None) -> Call:
        return self._district.call(self._sm2, scene=scene, position=position)

    def _replay(self) -> str:
        call = self._called()
        _expect(call.send().status_code == 200, "an answer to the first one", "a refusal")
        return _refused_as(call.send(), "terminals.nonce_replayed")

    def _altered_body(self) -> Call:
        call = self._called()
        return replace(call, body=call.body.replace(SCENE.encode(), OTHER_SCENE.encode()))

    def _altered_target(self) -> Call:
        call = self._called()
        return replace(call, url=call.url + "?as=another")

    def _other_origin(self) -> Call:
        return self._district.call(self._sm2, origin="http://localhost:1")

    def _forged(self) -> Call:
        """Another call's signature under this call's parameters."""
        call = self._called()
        return replace(
            call, headers={**call.headers, "signature": self._called().headers["signature"]}
        )

    def _unknown_key(self) -> Call:
        return self._district.call(self._sm2, key=SigningKey.generate(Algorithm.SM2_SM3))

    def _unsigned(self) -> Call:
        return replace(self._called(), headers={"content-type": "application/json"})

    def _timed_call(self, *, minutes: int) -> Call:
        return self._district.call(self._sm2, late=timedelta(minutes=minutes))

    def _elsewhere(self) -> Call:
        return replace(self._called(), address=ELSEWHERE)

    def _moved(self) -> Call:
        return self._called(position=Position(FAR, 10.0))

    def _rotate(self) -> str:
        old = self._sm2.key()
        self._sm2.agent.rotate_key()
        answer = _refused_as(
            self._district.call(self._sm2, key=old).send(), "terminals.key_retired"
        )
        return f"新密钥启用，{self._signed_call(self._sm2)}；旧密钥{answer}"

    def _software(self) -> str:
        self._district.side.terminals.register.require_software(
            actor=SUPERVISOR, certificate=CERTIFICATE, software_min=(2, 2), software_current=(2, 2)
        )
        answer = self._refusal("terminals.software_outdated")
        self._sm2.agent.heartbeat(replace(self._report(), software=(2, 2)))
        return f"{answer}；心跳报告新版本后，{self._signed_call(self._sm2)}"

    def _suspend(self) -> str:
        enrolments = self._district.side.terminals.enrolments
        enrolments.suspend(actor=ADMINISTRATOR, terminal_id=self._sm2_id)
        answer = self._refusal("terminals.terminal_suspended")
        enrolments.resume(actor=SUPERVISOR, terminal_id=self._sm2_id)
        return f"{answer}；恢复后，{self._signed_call(self._sm2)}"

    def _revoke(self) -> str:
        self._district.side.terminals.enrolments.revoke(
            actor=ADMINISTRATOR, terminal_id=self._sm2_id
        )
        return self._refusal("terminals.terminal_revoked")

    def _withdraw(self) -> str:
        self._district.side.terminals.register.withdraw_model(
            actor=SUPERVISOR, certificate=CERTIFICATE
        )
        return _refused_as(self._district.call(self._p256).send(), "terminals.model_withdrawn")

    def _refusal(self, code: str) -> str:
        return _refused_as(self._called().send(), code)

    def _audit(self) -> str:
        audit = self._district.side.audit
        linked = audit.link()
        audit.export_checkpoint()
        report = self._verified(self._database)
        _expect(report.intact and report.records == linked, "an intact chain", report)
        return f"{linked} 条审计记录成链，检查点已签名导出，链完整"

    def _tamper(self, opened: ExitStack) -> str:
        opened.close()
        copy = self._changed_copy(
            "UPDATE audit_event SET payload = replace(payload, 'approved', 'revoked') WHERE "
            "event_id = (SELECT min(event_id) FROM audit_event WHERE payload LIKE '%approved%')"
        )
        broken = self._first_break(copy)
        _expect(broken.kind is BreakKind.ALTERED, "an alteration", broken)
        return f"有人绕过程序把“审核通过”改了：验证指出第 {broken.sequence} 条被改动"

    def _cut_tail(self) -> str:
        copy = self._changed_copy(
            "DELETE FROM audit_link WHERE sequence > (SELECT max(sequence) - 3 FROM audit_link)",
            "DELETE FROM audit_event WHERE event_id > (SELECT max(event_id) FROM audit_link)",
        )
        broken = self._first_break(copy)
        _expect(broken.kind is BreakKind.CUT_TAIL, "a cut tail", broken)
        return f"有人删掉最后 3 条：和导出的检查点对不上，验证指出从第 {broken.sequence} 条起被截掉"

    def _changed_copy(self, *statements: str) -> Path:
        """As somebody would leave it who holds the file and drops the triggers."""
        copy = self._database.with_name("tampered.sqlite")
        shutil.copyfile(self._database, copy)
        with closing(sqlite3.connect(copy)) as connection, connection:
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'"
            for (trigger,) in connection.execute(query).fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                connection.execute(statement)
        return copy

    def _first_break(self, database: Path) -> Break:
        report = self._verified(database)
        _expect(not report.intact, "a broken chain", report)
        return report.breaks[0]

    @property
    def _database(self) -> Path:
        return self._settings.data_dir / "insurer.sqlite"

    def _verified(self, database: Path) -> ChainReport:
        """What an auditor finds, from the file, the second place and the public keys."""
        data_dir = self._settings.data_dir
        keys = FileKeys(data_dir / "insurer-keys", mode=Mode.SANDBOX)
        engine = create_engine(f"sqlite:///{database}")
        try:
            with engine.connect() as connection:
                return verify_chain(
                    connection,
                    chain="insurer",
                    checkpoints=CheckpointFolder(data_dir / CHECKPOINTS_FOLDER).everything(),
                    public_keys=public_keys_of(keys),
                )
        finally:
            engine.dispose()


def _timed(name: str, act: Callable[[], str]) -> Step:
    began = time.perf_counter()
    try:
        ok, detail = True, act()
    except (Refused, VisitWentWrong) as failure:
        ok, detail = False, str(failure)
    words = label(TerminalClass.SIMULATED)
    mark = words.zh if words else ""
    return Step(name, ok, f"{mark} {detail}", round((time.perf_counter() - began) * 1000))


def _refusal_of(forge: Callable[[], Call], code: str) -> Callable[[], str]:
    return lambda: _refused_as(forge().send(), code)


def _refused_as(response: httpx.Response, code: str) -> str:
    _expect(_code(response) == code, code, _code(response))
    return f"被拒绝：{response.json()['message']['zh']}（{response.status_code} {code}）"


def _decision_refused(decide: Callable[[], None], code: str) -> str:
    try:
        decide()
    except Refused as refused:
        _expect(refused.kind.code == code, code, refused.kind.code)
        return f"被拒绝：{refused.kind.zh}（{code}）"
    raise VisitWentWrong(f"expected {code}, found no refusal")


def _code(response: httpx.Response) -> str:
    return str(response.json().get("code", response.status_code))


def _origin(listening: socket.socket) -> str:
    return f"http://localhost:{listening.getsockname()[1]}"


def _expect(held: bool, expected: str, found: object) -> None:  # noqa: FBT001
    if not held:
        raise VisitWentWrong(f"expected {expected}, found {found}")
