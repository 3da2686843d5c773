"""Captures over the real listener: a socket on loopback, a real client, real sessions."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed

from shualian.core.refusals import Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.terminals.heartbeat.model import CaptureOutcome
from shualian.terminals.model import TerminalState
from shualian.trust.signatures import SigningKey
from shualian.verification.captures.client import CaptureStream
from shualian.verification.captures.model import (
    CAPTURES_PATH,
    STREAM_PATH,
    CaptureLimits,
    ExpectedBody,
    IntentBody,
    LastDigitsBody,
    OpenedMessage,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
    pack_frame,
)
from shualian.verification.model import (
    SESSION_NOT_FOUND,
    Scene,
    SessionState,
    UnknownReason,
)
from terminals.district import SUPERVISOR, place_spec
from verification.captures.hall import Hall, Visitor, visiting
from verification.captures.stage import ME, PaintedEngine, refused_code
from verification.world import ID_NUMBERS, LI, PIN, ZHANG

EYE = np.eye(8, dtype=np.float32)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    made.office.calls[made.device.terminal_id] = ZHANG
    made.templates.of = {ZHANG: EYE[ME], LI: EYE[2]}
    yield made
    made.close()


@pytest.fixture
def visitor(hall: Hall) -> Iterator[Visitor]:
    with visiting(hall) as visitor:
        yield visitor


def _code_of(refused: "pytest.ExceptionInfo[Refused]") -> object:
    return refused.value.details.get("reason")


def _closed_with(visitor_connection: object) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        visitor_connection.recv(timeout=10)  # type: ignore[attr-defined]
    return closed.value.rcvd.code if closed.value.rcvd else None


def _ended(hall: Hall) -> None:
    assert hall.health.ended.acquire(timeout=20)


def test_from_the_touch_to_a_proof(hall: Hall, visitor: Visitor) -> None:
    begun = visitor.begin(amount_max_fen=50_00)
    result = visitor.client.capture(begun, visitor.camera())
    assert isinstance(result, ResultMessage), result
    proof = visitor.client.prove(
        begun.session_id,
        IntentBody(intent_id="BILL-1", scene=Scene.SETTLEMENT, amount_max_fen=50_00),
        pin=PIN,
    )

    assert begun.liveness is LivenessLevel.ACTIVE
    assert isinstance(result, ResultMessage)
    assert result.state is SessionState.VERIFIED
    assert result.person is not None
    assert result.person.masked_name == "张*例"
    assert result.certainty is not None
    assert result.certainty.data == "an imaginary calibration"
    assert proof.psn_no == proof.beneficiary == ZHANG
    assert hall.world.police.asked[0].picture.startswith(b"\xff\xd8\xff")
    assert hall.health.counted == [CaptureOutcome.DONE]
    followed, template = hall.office.followed[0]
    assert followed.person is not None
    assert followed.person.active
    assert template is None  # nobody agreed to a template


def test_a_passive_scene_asks_for_no_challenge(visitor: Visitor) -> None:
    begun = visitor.begin(scene=Scene.REGISTRATION, look_for=ExpectedBody(kind="expected"))
    frames = 0

    def counted(seen: SeenMessage | None) -> bytes:
        nonlocal frames
        frames += 1
        assert seen is None or seen.prompt is None
        return visitor.camera()(seen)

    result = visitor.client.capture(begun, counted)

    if begun.liveness is LivenessLevel.PASSIVE:
        assert frames == 5
    assert isinstance(result, ResultMessage)


def test_a_stranger_is_unknown_and_may_be_told_apart_by_digits_on_the_same_socket(
    hall: Hall, visitor: Visitor
) -> None:
    half = (EYE[ME] + EYE[4]) / np.sqrt(2)
    hall.templates.of = {ZHANG: half, LI: half}
    begun = visitor.begin(ExpectedBody(kind="expected"))
    with visitor.client.stream(begun) as stream:
        stream.open()
        unknown = stream.capture(visitor.camera())
        digits = ID_NUMBERS[ZHANG].value[-4:]
        opened = stream.again(LastDigitsBody(kind="last_digits", digits=digits))
        hall.templates.of = {ZHANG: EYE[ME]}
        result = stream.capture(visitor.camera())

    assert isinstance(unknown, ResultMessage)
    assert (unknown.unknown, unknown.may_go_on) == (UnknownReason.NOT_CLEAR, True)
    assert isinstance(opened, OpenedMessage)
    assert opened.next_number > 5
    assert isinstance(result, ResultMessage)
    assert result.state is SessionState.VERIFIED


def test_a_face_that_is_not_live_is_refused_and_counted_as_an_attack(
    hall: Hall, visitor: Visitor
) -> None:
    begun = visitor.begin()
    answer = visitor.client.capture(begun, visitor.camera(live=False))

    assert refused_code(answer) == "verification.not_live"
    _ended(hall)
    assert hall.health.counted == [CaptureOutcome.ATTACK]
    assert visitor.client.result(begun.session_id).refused == "verification.not_live"
    assert hall.world.police.asked == []


# --- the ticket ----------------------------------------------------------------------------------


def test_a_wrong_ticket_is_refused_and_the_right_one_still_opens(visitor: Visitor) -> None:
    begun = visitor.begin()
    forged = begun.model_copy(update={"ticket": "x" * 27})
    with visitor.client.stream(forged) as stream:
        assert refused_code(stream.open()) == "verification.ticket_wrong"
        assert _closed_with(stream.connection) == 1008

    assert isinstance(visitor.client.capture(begun, visitor.camera()), ResultMessage)


def test_a_ticket_opens_one_socket_once(visitor: Visitor) -> None:
    begun = visitor.begin()
    with visitor.client.stream(begun) as first:
        assert isinstance(first.open(), OpenedMessage)
        with visitor.client.stream(begun) as second:
            assert refused_code(second.open()) == "verification.session_busy"
        assert isinstance(first.capture(visitor.camera()), ResultMessage)
    with visitor.client.stream(begun) as third:
        assert refused_code(third.open()) == "verification.session_closed"


def test_a_ticket_is_good_for_ten_seconds(hall: Hall, visitor: Visitor) -> None:
    in_time, too_late = visitor.begin(), visitor.begin()
    hall.wait(9.9)
    with visitor.client.stream(in_time) as stream:
        assert isinstance(stream.open(), OpenedMessage)
    hall.wait(0.1)
    with visitor.client.stream(too_late) as stream:
        assert refused_code(stream.open()) == "verification.ticket_wrong"


def _refused_end(stream: CaptureStream) -> None:
    with pytest.raises(Refused):
        stream.end()


# --- the end -------------------------------------------------------------------------------------


def test_an_end_signed_by_another_key_is_refused(hall: Hall, visitor: Visitor) -> None:
    begun = visitor.begin()
    other = SigningKey.generate(hall.device.key.public_key.algorithm)
    with visitor.client.stream(begun) as stream:
        stream.open()
        stream.watch(visitor.camera())
        assert refused_code(stream.end(other)) == "terminals.signature_wrong"
        assert _closed_with(stream.connection) == 1008
    assert visitor.client.result(begun.session_id).refused == "terminals.signature_wrong"


def test_a_terminal_that_was_suspended_meanwhile_ends_nothing(hall: Hall, visitor: Visitor) -> None:
    begun = visitor.begin()
    with visitor.client.stream(begun) as stream:
        stream.open()
        stream.watch(visitor.camera())
        hall.district.enrolments.suspend(actor=SUPERVISOR, terminal_id=hall.device.terminal_id)
        assert refused_code(stream.end()) == f"terminals.terminal_{TerminalState.SUSPENDED}"
    assert hall.office.followed == []


def test_a_socket_that_is_cut_before_the_end_gives_the_capture_up(
    hall: Hall, visitor: Visitor
) -> None:
    begun = visitor.begin()
    with visitor.client.stream(begun) as stream:
        stream.open()
        stream.watch(visitor.camera())
    _ended(hall)

    result = visitor.client.result(begun.session_id)
    assert (result.state, result.refused) == (SessionState.REFUSED, "verification.capture_lost")
    with visitor.client.stream(begun) as again:
        assert refused_code(again.open()) == "verification.session_closed"
    assert hall.health.counted == [CaptureOutcome.FAILED]


def test_a_socket_that_is_cut_after_the_end_has_a_result_that_can_be_read(
    hall: Hall, visitor: Visitor
) -> None:
    begun = visitor.begin()
    asked, go_on = threading.Event(), threading.Event()
    compare = hall.world.police.compare

    def slow(query: object) -> object:
        asked.set()
        assert go_on.wait(20)
        return compare(query)  # type: ignore[arg-type]

    hall.world.police.compare = slow  # type: ignore[assignment,method-assign]
    with visitor.client.stream(begun) as stream:
        stream.open()
        stream.watch(visitor.camera())
        hanging = threading.Thread(target=_refused_end, args=(stream,))
        hanging.start()
        assert asked.wait(20)
        stream.connection.close()
        hanging.join()
        go_on.set()
    _ended(hall)

    result = visitor.client.result(begun.session_id)
    assert result.state is SessionState.VERIFIED
    assert result.person is not None
    assert hall.health.counted == [CaptureOutcome.DONE]


# --- how it is sent ------------------------------------------------------------------------------


def test_two_frames_in_flight_are_refused(hall: Hall, visitor: Visitor) -> None:
    assert isinstance(hall.engine, PaintedEngine)
    arrived = threading.Event()

    def slow() -> None:
        assert arrived.wait(20)

    hall.engine.meanwhile = slow
    begun, camera = visitor.begin(), visitor.camera()
    with visitor.client.stream(begun) as stream:
        stream.open()
        for _ in range(2):
            stream.chain, message = pack_frame(stream.chain, camera(None))
            stream.send(message)
        # The answer to a ping comes after everything that was sent before it was read.
        assert stream.connection.ping().wait(20)
        arrived.set()
        assert refused_code(stream.hear()) == "verification.capture_message_too_early"
        assert _closed_with(stream.connection) == 1008
    _ended(hall)
    refused = visitor.client.result(begun.session_id).refused
    assert refused == "verification.capture_message_too_early"


def test_a_frame_that_is_too_large_closes_with_its_own_code(visitor: Visitor) -> None:
    begun = visitor.begin()
    with visitor.client.stream(begun) as stream:
        stream.open()
        stream.chain, message = pack_frame(stream.chain, b"\xff\xd8\xff" + bytes(560 * 1024))
        stream.send(message)
        assert refused_code(stream.hear()) == "verification.frame_too_large"
        assert _closed_with(stream.connection) == 1009


def test_an_altered_frame_closes_the_socket(hall: Hall, visitor: Visitor) -> None:
    begun = visitor.begin()
    with visitor.client.stream(begun) as stream:
        stream.open()
        message = pack_frame(stream.chain, visitor.camera()(None))[1]
        stream.send(message[:-1] + b"\x00")
        assert refused_code(stream.hear()) == "verification.frame_chain_broken"
        assert _closed_with(stream.connection) == 1008
    assert hall.district.counters.counted["verification_frame_chain_broken_total"] == 1


def test_a_text_that_is_not_json_closes_the_socket(visitor: Visitor) -> None:
    with visitor.client.stream(visitor.begin()) as stream:
        stream.send("not json")
        assert refused_code(stream.hear()) == "verification.capture_message_invalid"
        assert _closed_with(stream.connection) == 1008


def test_a_fault_closes_with_the_code_of_a_fault_and_gives_the_capture_up(
    hall: Hall, visitor: Visitor
) -> None:
    assert isinstance(hall.engine, PaintedEngine)
    begun = visitor.begin()
    with visitor.client.stream(begun) as stream:
        stream.open()

        def broken() -> None:
            raise ValueError("a fault")

        hall.engine.meanwhile = broken
        stream.chain, message = pack_frame(stream.chain, visitor.camera()(None))
        stream.send(message)
        assert _closed_with(stream.connection) == 1011
    _ended(hall)
    assert visitor.client.result(begun.session_id).state is SessionState.REFUSED


def test_a_refusal_that_cannot_be_stored_closes_as_a_fault_and_frees_the_place(
    hall: Hall, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise Refused(SESSION_NOT_FOUND)

    monkeypatch.setattr(hall.verification, "abandon", cannot)
    for _ in range(3):
        with visitor.client.stream(visitor.begin()) as stream:
            stream.open()
            stream.send(b"no frame")
            assert _closed_with(stream.connection) == 1011
        _ended(hall)


def test_more_captures_than_places_are_asked_to_wait(visitor: Visitor) -> None:
    begun = [visitor.begin() for _ in range(3)]
    with visitor.client.stream(begun[0]) as one, visitor.client.stream(begun[1]) as two:
        one.open()
        two.open()
        with visitor.client.stream(begun[2]) as three:
            heard = three.hear()
            assert refused_code(heard) == "verification.captures_busy"
            assert isinstance(heard, RefusedMessage)
            assert heard.finality == "temporary"
            assert _closed_with(three.connection) == 1013


def test_a_socket_on_which_nothing_is_said_is_closed(tmp_path: Path) -> None:
    hall = Hall(tmp_path, limits=CaptureLimits(open_seconds_max=0.05, silence_seconds_max=0.05))
    hall.office.calls[hall.device.terminal_id] = ZHANG
    with visiting(hall) as visitor:
        begun = visitor.begin()
        with visitor.client.stream(begun) as silent:
            assert refused_code(silent.hear()) == "verification.session_expired"
            assert _closed_with(silent.connection) == 1008
        with visitor.client.stream(begun) as stream:
            stream.open()
            assert refused_code(stream.hear()) == "verification.session_expired"
    hall.close()


# --- before the socket ---------------------------------------------------------------------------


def test_no_capture_begins_at_a_terminal_that_has_gone_silent(hall: Hall, visitor: Visitor) -> None:
    hall.wait(3600)
    with pytest.raises(Refused) as refused:
        visitor.begin()
    assert _code_of(refused) == "terminals.heartbeat_stale"


def test_no_capture_begins_without_consent_to_the_comparison(visitor: Visitor) -> None:
    with pytest.raises(Refused) as refused:
        visitor.begin(consents=[])
    assert _code_of(refused) == "verification.consent_missing"


def test_no_capture_begins_for_a_scene_that_the_place_does_not_have(visitor: Visitor) -> None:
    with pytest.raises(Refused) as refused:
        visitor.begin(scene=Scene.ADMISSION)
    assert _code_of(refused) == "terminals.scene_not_allowed"


def test_an_unsigned_begin_is_refused(visitor: Visitor, hall: Hall) -> None:
    address = visitor.stream_origin.replace("ws", "http", 1)
    answer = httpx.post(address + CAPTURES_PATH, json={}, trust_env=False)
    assert answer.json()["code"] == "terminals.signature_malformed"


def test_a_result_is_for_the_terminal_that_captured_it(hall: Hall, visitor: Visitor) -> None:
    begun = visitor.begin()
    other = hall.district.active(place_spec("二层 2 号机"))
    with httpx.Client(
        base_url=visitor.stream_origin.replace("ws", "http", 1), trust_env=False
    ) as http:
        stranger = Visitor(hall, http, other, visitor.stream_origin.replace("ws", "http", 1))
        with pytest.raises(Refused) as refused:
            stranger.client.result(begun.session_id)
    assert _code_of(refused) == "verification.session_other_terminal"


def test_nothing_is_proven_before_somebody_was_verified(visitor: Visitor) -> None:
    begun = visitor.begin()
    with pytest.raises(Refused) as refused:
        visitor.client.prove(
            begun.session_id, IntentBody(intent_id="BILL-1", scene=Scene.SETTLEMENT)
        )
    assert _code_of(refused) == "verification.not_verified"


def test_a_socket_from_another_network_is_not_accepted(hall: Hall, visitor: Visitor) -> None:
    with TestClient(hall.listener, client=("192.0.2.1", 5000)) as client:  # noqa: SIM117
        with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect(STREAM_PATH):
            pass
    assert closed.value.code == 1008


def test_who_asks_for_the_stream_without_a_socket_is_told_to_come_with_one(
    visitor: Visitor,
) -> None:
    answer = httpx.get(
        visitor.stream_origin.replace("ws", "http", 1) + STREAM_PATH, trust_env=False
    )
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


def test_the_documents_hold_every_message_of_the_socket(hall: Hall) -> None:
    schemas = hall.listener.openapi()["components"]["schemas"]
    names = "Open End Again Opened Seen Enough Result Refused"
    assert {f"{name}Message" for name in names.split()} <= schemas.keys()
    assert set(schemas["SeenMessage"]["properties"]) >= {"hint", "progress", "box", "prompt"}
