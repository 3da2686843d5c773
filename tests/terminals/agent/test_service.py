"""The reference agent against the services, over a transport that is a listener in miniature."""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.terminals.agent.model import (
    AGENT_FOLDER_WRONG,
    AGENT_NOT_ENROLLED,
    ENROLMENT_PATH,
    HEARTBEAT_PATH,
    INSURER_REFUSED,
    INSURER_UNREACHABLE,
    ROTATION_PATH,
    ClaimBody,
    EnrolmentAnswer,
    EnrolmentBody,
    HeartbeatAnswer,
    HeartbeatBody,
    RotationBody,
)
from shualian.terminals.agent.service import TerminalAgent
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.enrolment.model import Enrolment, Invitation, new_code
from shualian.terminals.heartbeat.model import REPORT_INVALID, HeartbeatReport
from shualian.terminals.model import TerminalClass, TerminalState
from shualian.terminals.register.model import PlaceClaim, Position
from shualian.terminals.requests.model import KEY_RETIRED, RequestPurpose, SignedRequest
from shualian.trust.model import KEY_MODE_DIFFERS
from shualian.trust.signatures import Algorithm
from terminals.district import (
    ADDRESS,
    ADMINISTRATOR,
    CERTIFICATES,
    HALL,
    ORIGIN,
    SOFTWARE,
    SUPERVISOR,
    District,
    answer_of,
)

CERTIFICATE = CERTIFICATES[TerminalClass.SCAN_FACE_PAY]


class Listener:
    """The terminal listener in miniature: wire forms in, services, wire forms out."""

    def __init__(self, district: District) -> None:
        self.district = district
        self.lose_next_answer = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self.answered(request)
        except Refused as refused:
            return httpx.Response(403, json=refused.as_json())
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise httpx.ReadTimeout("lost")
        return httpx.Response(200, content=answer)

    def answered(self, request: httpx.Request) -> str:
        path, content = request.url.path, request.content
        if path == ENROLMENT_PATH:
            body = EnrolmentBody.model_validate_json(content)
            return shown(self.district.enrolments.enrol(body.request()))
        if path == ROTATION_PATH:
            rotation = RotationBody.model_validate_json(content)
            return shown(self.district.enrolments.rotate_key(rotation.request()))
        verified = self.district.requests.verify(
            self.signed(request),
            purpose=RequestPurpose.UPKEEP if path == HEARTBEAT_PATH else RequestPurpose.BUSINESS,
        )
        if path != HEARTBEAT_PATH:
            return json.dumps({"terminal": verified.terminal.terminal_id})
        report = HeartbeatBody.model_validate_json(content).report()
        health = self.district.heartbeats.beat(verified, report)
        reasons = [reason.value for reason in health.reasons]
        return HeartbeatAnswer(state=health.state.value, reasons=reasons).model_dump_json()

    def signed(self, request: httpx.Request) -> SignedRequest:
        return SignedRequest(
            method=request.method,
            target_uri=ORIGIN + request.url.raw_path.decode(),
            signature_input=request.headers.get_list("signature-input"),
            signature=request.headers.get_list("signature"),
            content_digest=request.headers.get_list("content-digest"),
            address=ADDRESS,
            body=request.content,
        )


def shown(enrolment: Enrolment) -> str:
    return EnrolmentAnswer(
        terminal_id=enrolment.terminal_id,
        place_id=enrolment.place_id,
        state=enrolment.state.value,
    ).model_dump_json()


class Site:
    """An agent, its folder and the listener it talks to."""

    def __init__(self, district: District, folder: Path) -> None:
        self.district = district
        self.folder = folder
        self.listener = Listener(district)
        # Another address than the canonical origin, as behind a port forwarding.
        self.http = httpx.Client(
            base_url="http://127.0.0.1:9000", transport=httpx.MockTransport(self.listener)
        )

    def agent(self, mode: Mode = Mode.PRODUCTION) -> TerminalAgent:
        """An agent that has just started."""
        return TerminalAgent(
            http=self.http,
            origin=ORIGIN,
            folder=AgentFolder(self.folder, mode=mode),
            algorithm=Algorithm.SM2_SM3,
            clock=self.district.clock,
        )

    def enrol(self, invitation: Invitation | None = None) -> EnrolmentAnswer:
        invited = invitation or self.district.invite()
        return self.agent().enrol(code=invited.code, certificate=CERTIFICATE, software=SOFTWARE)

    def approve(self) -> None:
        agent = self.agent()
        self.district.enrolments.approve(
            actor=SUPERVISOR,
            terminal_id=agent.identity().terminal_id,
            expected_key_id=agent.fingerprint(),
        )

    def report(self, *, tampered: bool = False) -> HeartbeatReport:
        place_id = self.agent().identity().place_id
        claim = PlaceClaim(place_id, Position(HALL, 5))
        return HeartbeatReport(SOFTWARE, True, 50, tampered, claim)

    def call(self, path: str = "/terminal/v1/any?a=%E5%88%B7&b=1+2") -> httpx.Response:
        return self.http.put(path, content=b"{}", auth=self.agent().signer())


@pytest.fixture
def site(district: District, tmp_path: Path) -> Site:
    return Site(district, tmp_path / "agent")


def reason_of(work: Callable[[], object]) -> object:
    with pytest.raises(Refused) as refused:
        work()
    assert refused.value.kind is INSURER_REFUSED
    return refused.value.details["reason"]


def test_an_agent_enrols_reports_and_calls(site: Site) -> None:
    assert site.enrol().state == TerminalState.PENDING.value
    assert reason_of(lambda: site.agent().heartbeat(site.report())) == "terminals.terminal_pending"
    site.approve()
    assert site.agent().heartbeat(site.report()).state == "online"
    answer = site.agent().heartbeat(site.report(tampered=True))
    assert (answer.state, answer.reasons) == ("at_risk", ["tampered"])
    response = site.call()
    assert response.json() == {"terminal": site.agent().identity().terminal_id}


def test_everything_in_the_folder_is_readable_by_its_owner_only(site: Site) -> None:
    site.enrol()
    assert stat.S_IMODE(site.folder.stat().st_mode) == 0o700
    files = list(site.folder.iterdir())
    assert sorted(file.suffix for file in files) == [".json", ".key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_lost_answer_to_an_enrolment_is_asked_for_again_with_the_same_key(site: Site) -> None:
    invitation = site.district.invite()
    site.listener.lose_next_answer = True
    with pytest.raises(Refused) as refused:
        site.enrol(invitation)
    assert refused.value.kind is INSURER_UNREACHABLE
    assert answer_of(site.agent().identity) is AGENT_NOT_ENROLLED
    assert site.enrol(invitation).terminal_id == invitation.terminal_id
    site.approve()
    assert site.call().is_success


def test_a_key_is_rotated_and_the_old_one_destroyed(site: Site) -> None:
    site.enrol()
    site.approve()
    old_signer, old_name = site.agent().signer(), site.agent().fingerprint()
    site.agent().rotate_key()
    assert site.agent().fingerprint() != old_name
    assert len(list(site.folder.glob("*.key"))) == 1
    assert site.call().is_success
    late = site.http.get("/terminal/v1/any", auth=old_signer)
    assert late.json()["code"] == KEY_RETIRED.code


def test_a_lost_answer_to_a_rotation_locks_nobody_out(site: Site) -> None:
    site.enrol()
    site.approve()
    site.listener.lose_next_answer = True
    with pytest.raises(Refused):
        site.agent().rotate_key()
    assert site.call().json()["code"] == KEY_RETIRED.code
    site.agent().rotate_key()
    assert site.call().is_success


def test_a_wrong_code_keeps_the_agent_unenrolled_and_able_to_try_again(site: Site) -> None:
    agent = site.agent()
    wrong = reason_of(
        lambda: agent.enrol(code=new_code(), certificate=CERTIFICATE, software=SOFTWARE)
    )
    assert wrong == "terminals.code_wrong"
    assert answer_of(agent.signer) is AGENT_NOT_ENROLLED
    site.enrol()


def test_a_revoked_agent_enrols_anew_with_a_new_key(site: Site) -> None:
    first = site.enrol()
    old = site.agent().fingerprint()
    place_id = site.agent().identity().place_id
    site.district.enrolments.revoke(
        actor=SUPERVISOR, terminal_id=site.agent().identity().terminal_id
    )
    invitation = site.district.enrolments.invite(actor=ADMINISTRATOR, place_id=place_id)
    assert site.enrol(invitation).terminal_id != first.terminal_id
    assert site.agent().fingerprint() != old


def test_an_agent_signs_for_the_canonical_origin_whatever_it_connects_to(site: Site) -> None:
    site.enrol()
    site.approve()
    elsewhere = TerminalAgent(
        http=site.http,
        origin="https://another.example",
        folder=AgentFolder(site.folder, mode=Mode.PRODUCTION),
        algorithm=Algorithm.SM2_SM3,
        clock=site.district.clock,
    )
    response = site.http.get("/terminal/v1/any", auth=elsewhere.signer())
    assert response.json()["code"] == "terminals.signature_wrong"


def test_a_key_of_production_is_not_used_in_the_sandbox(site: Site) -> None:
    site.enrol()
    assert answer_of(lambda: site.agent(Mode.SANDBOX).signer()) is KEY_MODE_DIFFERS


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"terminal_id": "1"}', "{"])
def test_a_damaged_folder_is_refused(site: Site, content: str) -> None:
    site.enrol()
    (site.folder / "terminal.json").write_text(content)
    assert answer_of(site.agent().signer) is AGENT_FOLDER_WRONG


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (502, b"<html>", ""),
        (403, b"[]", ""),
        (403, b'{"code": "Words of a stranger"}', ""),
        (403, b'{"code": "terminals.code_wrong"}', "terminals.code_wrong"),
        (200, b"{}", "an answer of another form"),
    ],
)
def test_an_answer_of_another_form_is_refused_and_not_repeated_in_words(
    district: District, tmp_path: Path, status: int, content: bytes, reason: str
) -> None:
    site = Site(district, tmp_path / "agent")
    site.http = httpx.Client(
        base_url="http://127.0.0.1:9000",
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=content)),
    )
    assert reason_of(site.enrol) == reason


def test_the_wire_forms_carry_everything_there_and_back(site: Site) -> None:
    site.enrol()
    report = site.report(tampered=True)
    assert (
        HeartbeatBody.model_validate_json(HeartbeatBody.made(report).model_dump_json()).report()
        == report
    )
    unlocated = replace(report, claim=PlaceClaim(report.claim.place_id))
    assert HeartbeatBody.made(unlocated).report() == unlocated


def test_half_a_position_is_no_position() -> None:
    body = ClaimBody(place_id="P", latitude=1.0)
    assert answer_of(body.claim) is REPORT_INVALID


def test_time_passes_for_the_signature_too(site: Site) -> None:
    site.enrol()
    site.approve()
    for _ in range(3):
        site.district.wait(timedelta(minutes=2))
        assert site.call().is_success
