"""How a simulated terminal comes to be believed, and what everybody else is told.

Register, enrolment, signatures, nonces, the database, the audit and HTTP are the real ones; the
terminal is simulated and its keys lie in files. Staff decide through the use cases directly;
their sign-in has its own tests. The clock is the demo's, so that a late request need not be
waited for.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import create_engine

from shualian.core.clock import Clock
from shualian.core.identifiers import TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.sandbox.district import (
    ADMINISTRATOR,
    CERTIFICATE,
    ELSEWHERE,
    FAR,
    OTHER_SCENE,
    SCENE,
    SUPERVISOR,
    Call,
    District,
    SimulatedTerminal,
)
from shualian.sandbox.steps import Step, VisitWentWrong, expect, timed
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.model import InsurerStaff
from shualian.terminals.register.model import Position
from shualian.trust.audit.checkpoints import CHECKPOINTS_FOLDER, CheckpointFolder
from shualian.trust.audit.model import Break, BreakKind
from shualian.trust.audit.service import ChainReport, public_keys_of, verify_chain
from shualian.trust.keys import FileKeys
from shualian.trust.signatures import Algorithm, SigningKey

_NAMES = {Algorithm.SM2_SM3: "SM2", Algorithm.ECDSA_P256_SHA256: "P-256"}


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
                step = timed(name, act)
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
        return decision_refused(
            lambda: self._district.approve(self._sm2_id, fingerprint, actor=maker),
            "terminals.creator_is_approver",
        )

    def _fingerprint(self) -> str:
        other = key_id_of(SigningKey.generate(Algorithm.SM2_SM3).public_key)
        return decision_refused(
            lambda: self._district.approve(self._sm2_id, other), "terminals.fingerprint_differs"
        )

    def _approve(self) -> str:
        self._district.approve(self._sm2_id, self._sm2.agent.fingerprint())
        return "监管人员核对指纹后通过（发码的人不能审核）"

    def _before_start(self) -> str:
        answer = self._refusal("terminals.signed_before_start")
        self._district.wait_after_start()
        return answer

    def _signed_call(self, terminal: SimulatedTerminal) -> str:
        response = self._district.call(terminal).send()
        expect(response.status_code == 200, "an answer", _code(response))
        name = _NAMES[terminal.key().public_key.algorithm]
        return f"{name} 签名的请求通过：{response.json()['place']}"

    def _p256_life(self) -> str:
        district = self._district
        self._p256 = district.terminal(Algorithm.ECDSA_P256_SHA256)
        terminal_id = district.enrol(self._p256, district.invite("一层大厅 2 号机"))
        district.approve(terminal_id, self._p256.agent.fingerprint())
        return self._signed_call(self._p256)

    def _heartbeat(self) -> str:
        state = self._district.beat(self._sm2)
        expect(state == "online", "online", state)
        return f"心跳：{state}"

    def _called(self, *, scene: str = SCENE, position: Position | None = None) -> Call:
        return self._district.call(self._sm2, scene=scene, position=position)

    def _replay(self) -> str:
        call = self._called()
        expect(call.send().status_code == 200, "an answer to the first one", "a refusal")
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
        self._district.beat(self._sm2, software=(2, 2))
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
        expect(report.intact and report.records == linked, "an intact chain", report)
        return f"{linked} 条审计记录成链，检查点已签名导出，链完整"

    def _tamper(self, opened: ExitStack) -> str:
        opened.close()
        copy = self._changed_copy(
            "UPDATE audit_event SET payload = replace(payload, 'approved', 'revoked') WHERE "
            "event_id = (SELECT min(event_id) FROM audit_event WHERE payload LIKE '%approved%')"
        )
        broken = self._first_break(copy)
        expect(broken.kind is BreakKind.ALTERED, "an alteration", broken)
        return f"有人绕过程序把“审核通过”改了：验证指出第 {broken.sequence} 条被改动"

    def _cut_tail(self) -> str:
        copy = self._changed_copy(
            "DELETE FROM audit_link WHERE sequence > (SELECT max(sequence) - 3 FROM audit_link)",
            "DELETE FROM audit_event WHERE event_id > (SELECT max(event_id) FROM audit_link)",
        )
        broken = self._first_break(copy)
        expect(broken.kind is BreakKind.CUT_TAIL, "a cut tail", broken)
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
        expect(not report.intact, "a broken chain", report)
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


def _refusal_of(forge: Callable[[], Call], code: str) -> Callable[[], str]:
    return lambda: _refused_as(forge().send(), code)


def _refused_as(response: httpx.Response, code: str) -> str:
    expect(_code(response) == code, code, _code(response))
    return f"被拒绝：{response.json()['message']['zh']}（{response.status_code} {code}）"


def decision_refused(decide: Callable[[], object], code: str) -> str:
    """How a decision was refused, in words.

    Raises:
        VisitWentWrong: When it was not, or for another reason.
    """
    try:
        decide()
    except Refused as refused:
        expect(refused.kind.code == code, code, refused.kind.code)
        return f"被拒绝：{refused.kind.zh}（{code}）"
    raise VisitWentWrong(f"expected {code}, found no refusal")


def _code(response: httpx.Response) -> str:
    return str(response.json().get("code", response.status_code))
