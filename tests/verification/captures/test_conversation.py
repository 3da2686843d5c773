"""A capture as a conversation: every rule of the protocol, without a network."""

import gc
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shualian.core.id_number import check_character
from shualian.core.refusals import Finality, Refused
from shualian.face.liveness.challenge import Turn
from shualian.face.model import Hint
from shualian.terminals.heartbeat.model import CaptureOutcome
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.captures.model import (
    CAPTURES_BUSY,
    Chain,
    EnoughMessage,
    OpenedMessage,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
    pack_frame,
)
from shualian.verification.model import (
    LastDigits,
    SessionState,
    TypedNumber,
    UnknownReason,
)
from verification.captures.stage import (
    ME,
    NONCE,
    SESSION,
    SOMEBODY_ELSE,
    TICKET,
    Stage,
    painted,
    refused_code,
)

AGAIN = '{"type":"again","look_for":{"kind":"last_digits","digits":"001x"}}'
SEVENTEEN = "99000019620314001"


def test_a_capture_from_the_ticket_to_the_result(stage: Stage) -> None:
    opened = stage.open()
    seen = [stage.show() for _ in range(4)]
    enough = stage.show()
    result = stage.end()

    assert isinstance(opened, OpenedMessage)
    assert opened.next_number == 1
    assert [getattr(one, "progress", None) for one in seen] == [0.2, 0.4, 0.6, 0.8]
    assert [getattr(one, "hint", None) for one in seen] == [Hint.HOLD_STILL] * 4
    assert isinstance(enough, EnoughMessage)
    assert enough.number == 5
    assert enough.box is not None
    assert (enough.box.x, enough.box.width) == (40, 40)
    assert isinstance(result, ResultMessage)
    assert result.state is SessionState.VERIFIED
    assert stage.conversation.decided
    assert stage.sessions.abandoned == []
    assert stage.tallies.counted == [CaptureOutcome.DONE]


def test_the_decision_gets_the_probe_and_the_picture_of_the_best_frame(stage: Stage) -> None:
    stage.open()
    stage.show_good_frames()
    stage.end()

    captured = stage.sessions.captured[0]
    assert captured.probe.embedding[ME] == 1
    assert captured.picture is not None
    assert captured.picture.startswith(b"\xff\xd8\xff")
    assert captured.enrolment is None
    assert not captured.active


def test_one_hint_at_a_time_is_told_and_such_frames_are_not_kept(stage: Stage) -> None:
    stage.open()
    dark, masked, good = (
        stage.show(hint=hint) for hint in (Hint.TOO_DARK, Hint.MASK, Hint.HOLD_STILL)
    )

    assert isinstance(dark, SeenMessage)
    assert isinstance(masked, SeenMessage)
    assert isinstance(good, SeenMessage)
    assert (dark.hint, masked.hint) == (Hint.TOO_DARK, Hint.MASK)
    assert (dark.progress, good.progress) == (0, 0.2)


def test_the_same_picture_again_and_again_is_never_enough(stage: Stage) -> None:
    stage.open()
    picture = painted(serial=1)
    for _ in range(20):
        stage.wait(1)
        stage.chain, message = pack_frame(stage.chain, picture)
        answer = stage.conversation.answer(message)

    assert isinstance(answer, SeenMessage)
    assert answer.progress == 0.2


# --- the challenge -------------------------------------------------------------------------------


def test_the_prompts_come_one_at_a_time_and_whoever_follows_them_passes() -> None:
    stage = Stage().active()
    stage.open()
    prompts: list[Turn | None] = []
    progress: list[float] = []
    yaws = {None: 0, Turn.LEFT: 32, Turn.BACK: 0, Turn.RIGHT: -32}
    answer = stage.show()
    while isinstance(answer, SeenMessage):
        prompts.append(answer.prompt)
        progress.append(answer.progress)
        answer = stage.show(yaws[answer.prompt])
    result = stage.end()

    changes = [prompts[i] for i in range(len(prompts)) if i == 0 or prompts[i] != prompts[i - 1]]
    assert changes == [None, Turn.LEFT, Turn.BACK, Turn.RIGHT]
    assert progress == sorted(progress)
    assert isinstance(answer, EnoughMessage)
    assert isinstance(result, ResultMessage)
    captured = stage.sessions.captured[0]
    assert captured.active
    assert captured.liveness.live
    assert captured.enrolment is not None
    assert (captured.enrolment.path_id, captured.enrolment.quality) == ("painted", 60)


def _act(stage: Stage, *yaws: int, **looks: object) -> None:
    """Show these until it is enough."""
    for yaw in yaws:
        if isinstance(stage.show(yaw, **looks), EnoughMessage):
            return


def _wrong_way(stage: Stage) -> None:
    _act(stage, 0, -32, -32, -32)


def _nothing(stage: Stage) -> None:
    _act(stage, *[0] * 40)


def _too_late(stage: Stage) -> None:
    _act(stage, 0, *[5] * 28, 14, 32, 32, 32)


def _another_face(stage: Stage) -> None:
    stage.show()
    _act(stage, 0, who=SOMEBODY_ELSE)


def _another_face_from_the_start(stage: Stage) -> None:
    stage.follow(SOMEBODY_ELSE)


def _gone(stage: Stage) -> None:
    stage.show()
    _act(stage, *[0] * 9, hint=Hint.NO_FACE)


def _elsewhere(stage: Stage) -> None:
    stage.show()
    stage.engine.box = replace(stage.engine.box, x=300)
    stage.show()


@pytest.mark.parametrize(
    ("behaviour", "told", "outcome"),
    [
        (_wrong_way, "challenge_missed", CaptureOutcome.FAILED),
        (_nothing, "challenge_missed", CaptureOutcome.FAILED),
        (_too_late, "challenge_missed", CaptureOutcome.FAILED),
        (_gone, "challenge_missed", CaptureOutcome.FAILED),
        (_another_face, "not_live", CaptureOutcome.ATTACK),
        (_another_face_from_the_start, "not_live", CaptureOutcome.ATTACK),
        (_elsewhere, "not_live", CaptureOutcome.ATTACK),
    ],
)
def test_whoever_does_not_follow_the_prompts_is_refused(
    behaviour: Callable[[Stage], None], told: str, outcome: CaptureOutcome
) -> None:
    stage = Stage().active()
    stage.open()
    stage.show_good_frames()
    behaviour(stage)
    answer = stage.end()

    assert refused_code(answer) == "verification.not_live"
    assert isinstance(answer, RefusedMessage)
    assert answer.told == told
    assert not answer.may_go_on
    captured = stage.sessions.captured[0]
    assert not captured.liveness.live
    assert captured.enrolment is None
    assert not captured.active
    assert stage.tallies.counted == [outcome]


def test_a_flat_face_is_challenged_like_others_and_told_nothing() -> None:
    stage = Stage().active()
    stage.open()
    for _ in range(5):
        prompted = stage.show(live=False)
    answer = stage.follow()
    refused = stage.end()

    assert isinstance(prompted, SeenMessage)
    assert isinstance(answer, EnoughMessage)
    assert isinstance(refused, RefusedMessage)
    assert refused.told == "not_live"
    assert stage.tallies.counted == [CaptureOutcome.ATTACK]


def test_frames_of_an_earlier_capture_do_not_answer_another_challenge() -> None:
    """Even somebody who holds the key and chains them anew does not know the next prompts."""
    stage = Stage().active()
    stage.open()
    recorded = [painted(yaw, serial=i) for i, yaw in enumerate([0] * 6 + [-32] * 5 + [0] * 5)]
    for jpeg in recorded:
        stage.wait(0.2)
        stage.chain, message = pack_frame(stage.chain, jpeg)
        answer = stage.conversation.answer(message)
        if isinstance(answer, EnoughMessage):
            break

    assert refused_code(stage.end()) == "verification.not_live"


# --- the chain -----------------------------------------------------------------------------------


def _replayed(stage: Stage) -> bytes:
    message = stage.next_frame()
    stage.conversation.answer(message)
    return message


def _skipped(stage: Stage) -> bytes:
    stage.next_frame()
    return stage.next_frame()


def _altered(stage: Stage) -> bytes:
    message = stage.next_frame()
    return message[:-3] + bytes((message[-3] ^ 1,)) + message[-2:]


def _swapped_for_another(stage: Stage) -> bytes:
    return stage.next_frame()[:36] + painted(serial=999)


def _of_another_session(stage: Stage) -> bytes:
    return pack_frame(Chain.begun("another-nonce-altogether"), painted(serial=7))[1]


def _chain_altered(stage: Stage) -> bytes:
    message = stage.next_frame()
    return message[:20] + bytes((message[20] ^ 1,)) + message[21:]


def _empty(stage: Stage) -> bytes:
    return b""


def _head_alone(stage: Stage) -> bytes:
    return stage.next_frame()[:36]


def _no_jpeg(stage: Stage) -> bytes:
    return pack_frame(stage.chain, b"GIF89a")[1]


def _broken_jpeg(stage: Stage) -> bytes:
    return pack_frame(stage.chain, b"\xff\xd8\xff and nothing else")[1]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (_replayed, "verification.frame_out_of_order"),
        (_skipped, "verification.frame_out_of_order"),
        (_altered, "verification.frame_chain_broken"),
        (_swapped_for_another, "verification.frame_chain_broken"),
        (_of_another_session, "verification.frame_chain_broken"),
        (_chain_altered, "verification.frame_chain_broken"),
        (_empty, "verification.capture_message_invalid"),
        (_head_alone, "verification.capture_message_invalid"),
        (_no_jpeg, "verification.capture_message_invalid"),
        (_broken_jpeg, "face.picture_unreadable"),
    ],
)
def test_a_frame_that_is_not_the_next_of_the_chain_ends_the_capture(
    stage: Stage, made: Callable[[Stage], bytes], code: str
) -> None:
    stage.open()

    answer = stage.conversation.answer(made(stage))

    assert refused_code(answer) == code
    assert stage.conversation.over
    assert not stage.conversation.decided
    assert stage.sessions.abandoned == [(SESSION, code)]
    assert stage.sessions.captured == []
    assert stage.tallies.counted == [CaptureOutcome.FAILED]
    assert stage.refusals.counted[code.replace(".", "_") + "_total"] == 1


def test_frames_of_a_capture_cannot_be_played_into_another(stage: Stage) -> None:
    recorded = [stage.next_frame() for _ in range(5)]
    other = Stage()
    other.open()
    other.sessions.state = SessionState.CAPTURING
    chain = Chain.begun("the-nonce-of-the-next-session")
    running = other.conversation._running
    assert running is not None
    running.chain = chain

    assert refused_code(other.conversation.answer(recorded[0])) == "verification.frame_chain_broken"


def test_the_end_is_signed_by_the_terminals_key_over_what_was_received(stage: Stage) -> None:
    stage.open()
    stage.show_good_frames()

    answer = stage.end(key=SigningKey.generate(Algorithm.ECDSA_P256_SHA256))

    assert refused_code(answer) == "terminals.signature_wrong"
    assert stage.sessions.captured == []
    assert stage.sessions.abandoned == [(SESSION, "terminals.signature_wrong")]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda chain: Chain(chain.count - 1, chain.value),
        lambda chain: Chain(chain.count, bytes(32)),
    ],
)
def test_the_end_of_another_chain_is_refused(stage: Stage, wrong: Callable[[Chain], Chain]) -> None:
    stage.open()
    stage.show_good_frames()

    assert refused_code(stage.end(chain=wrong(stage.chain))) == "verification.capture_end_differs"
    assert stage.sessions.captured == []


# --- order, form and limits ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticket", "nonce", "code"),
    [
        ("another-ticket-altogether", NONCE, "verification.ticket_wrong"),
        (TICKET, "another-nonce-altogether", "verification.session_nonce_wrong"),
    ],
)
def test_a_wrong_ticket_opens_nothing_and_harms_nobody(
    stage: Stage, ticket: str, nonce: str, code: str
) -> None:
    assert refused_code(stage.open(ticket=ticket, nonce=nonce)) == code
    assert stage.conversation.over
    assert stage.sessions.abandoned == []
    assert stage.tallies.counted == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"close"}',
        '{"type":"open"}',
        '{"type":"end","count":1,"chain":"00","signature":"AA"}',
        '{"type":"open","session_id":"../../x","ticket":"aaaaaaaaaaaaaaaaaaaa","nonce":"b"}',
        '{"type":"again","look_for":{"kind":"everybody"}}',
        '{"type":"end","count":true,"chain":"' + "0" * 64 + '","signature":"' + "A" * 86 + '=="}',
        AGAIN[:-1] + ',"more":1}',
        "\ud800",
    ],
)
def test_a_text_of_another_form_is_refused_without_being_quoted(stage: Stage, text: str) -> None:
    answer = stage.conversation.answer(text)

    assert refused_code(answer) == "verification.capture_message_invalid"
    assert isinstance(answer, RefusedMessage)
    assert "../../x" not in answer.model_dump_json()


def test_a_long_text_is_refused_before_it_is_read(stage: Stage) -> None:
    answer = stage.conversation.answer('{"type":"open","ticket":"' + "医" * 1400 + '"}')

    assert refused_code(answer) == "verification.capture_message_too_large"
    assert stage.conversation.too_large


def _frame_first(stage: Stage) -> object:
    return stage.show()


def _end_first(stage: Stage) -> object:
    return stage.end(chain=Chain(1, bytes(32)))


def _open_twice(stage: Stage) -> object:
    stage.open()
    return stage.open()


def _end_too_soon(stage: Stage) -> object:
    stage.open()
    stage.show()
    return stage.end()


def _frame_after_enough(stage: Stage) -> object:
    stage.open()
    stage.show_good_frames()
    return stage.show()


def _again_too_soon(stage: Stage) -> object:
    stage.open()
    return stage.conversation.answer(AGAIN)


@pytest.mark.parametrize(
    "unexpected",
    [
        _frame_first,
        _end_first,
        _open_twice,
        _end_too_soon,
        _frame_after_enough,
        _again_too_soon,
    ],
)
def test_a_message_at_the_wrong_time_ends_the_capture(
    stage: Stage, unexpected: Callable[[Stage], object]
) -> None:
    assert refused_code(unexpected(stage)) == "verification.capture_message_unexpected"
    assert stage.conversation.over
    assert stage.sessions.captured == []


def test_too_many_frames_are_refused() -> None:
    stage = Stage(frames_max=10)
    stage.open()
    answers = [stage.show(hint=Hint.TOO_DARK) for _ in range(11)]

    assert isinstance(answers[9], SeenMessage)
    assert refused_code(answers[10]) == "verification.frames_too_many"


def test_too_many_bytes_are_refused() -> None:
    stage = Stage(bytes_max=2**20, frame_bytes_max=512 * 1024)
    stage.open()
    padding = bytes(400 * 1024)
    codes = []
    for _ in range(3):
        stage.wait(1)
        picture = painted(serial=stage.serial, hint=Hint.TOO_DARK) + padding
        stage.chain, message = pack_frame(stage.chain, picture)
        codes.append(getattr(stage.conversation.answer(message), "code", None))

    assert codes == [None, None, "verification.frames_too_many"]


def test_a_frame_that_is_too_large_is_refused() -> None:
    stage = Stage(frame_bytes_max=16 * 1024)
    stage.open()
    stage.chain, message = pack_frame(stage.chain, painted() + bytes(16 * 1024))

    assert refused_code(stage.conversation.answer(message)) == "verification.frame_too_large"
    assert stage.conversation.too_large


def test_frames_that_come_too_fast_are_refused() -> None:
    stage = Stage(frames_per_second_max=4)
    stage.open()
    slow = [stage.conversation.answer(stage.next_frame(hint=Hint.TOO_DARK)) for _ in range(4)]
    stage.wait(1)
    later = stage.conversation.answer(stage.next_frame(hint=Hint.TOO_DARK))
    fast = [stage.conversation.answer(stage.next_frame(hint=Hint.TOO_DARK)) for _ in range(4)]

    assert all(isinstance(one, SeenMessage) for one in [*slow, later, *fast[:3]])
    assert refused_code(fast[3]) == "verification.frames_too_fast"


@pytest.mark.parametrize(("session_s", "socket_s"), [(20, 90), (90, 20)])
def test_a_capture_ends_with_the_time_of_its_session_or_its_socket(
    session_s: int, socket_s: int
) -> None:
    stage = Stage(seconds_max=socket_s)
    stage.sessions.seconds = session_s
    stage.open()
    stage.wait(19)
    assert isinstance(stage.show(), SeenMessage)
    stage.wait(0.8)

    assert refused_code(stage.show()) == "verification.session_expired"


def test_one_more_capture_than_there_are_places_is_asked_to_wait(stage: Stage) -> None:
    captures = stage.captures
    with captures.place(), captures.place(), pytest.raises(Refused) as refused, captures.place():
        raise AssertionError("there was no place")
    assert refused.value.kind is CAPTURES_BUSY
    assert refused.value.kind.finality is Finality.TEMPORARY
    with captures.place(), captures.place():
        pass


# --- another attempt -----------------------------------------------------------------------------


def test_an_unknown_person_may_try_again_on_the_same_socket_with_digits(stage: Stage) -> None:
    stage.sessions.answers = [UnknownReason.NOT_CLEAR, None]
    stage.open()
    stage.show_good_frames()
    unknown = stage.end()
    opened = stage.conversation.answer(AGAIN)
    stage.show_good_frames()
    result = stage.end()

    assert isinstance(unknown, ResultMessage)
    assert (unknown.may_go_on, unknown.told) == (True, "digits_needed")
    assert isinstance(opened, OpenedMessage)
    assert opened.next_number == 6
    assert isinstance(result, ResultMessage)
    assert result.state is SessionState.VERIFIED
    assert stage.sessions.looked_for == [None, LastDigits("001X")]
    assert stage.tallies.counted == [CaptureOutcome.DONE]


def test_a_second_attempt_answers_a_challenge_again() -> None:
    stage = Stage().active()
    stage.sessions.answers = [UnknownReason.BELOW_THRESHOLD]
    stage.open()
    stage.follow()
    stage.end()
    stage.conversation.answer(AGAIN)
    stage.show_good_frames()

    assert isinstance(stage.show(), SeenMessage)
    assert isinstance(stage.follow(), EnoughMessage)


def test_a_mistyped_number_is_told_and_may_be_typed_again(stage: Stage) -> None:
    stage.sessions.answers = [UnknownReason.NO_TEMPLATE]
    stage.open()
    stage.show_good_frames()
    stage.end()
    wrong = "0" if check_character(SEVENTEEN) != "0" else "1"
    typed = '{"type":"again","look_for":{"kind":"typed_number","id_number":"%s"}}'
    mistyped = stage.conversation.answer(typed % (SEVENTEEN + wrong))
    right = stage.conversation.answer(typed % (SEVENTEEN + check_character(SEVENTEEN)))

    assert refused_code(mistyped) == "core.id_number_invalid"
    assert isinstance(mistyped, RefusedMessage)
    assert mistyped.may_go_on
    assert SEVENTEEN not in mistyped.model_dump_json()
    assert isinstance(right, OpenedMessage)
    stage.show_good_frames()
    stage.end()
    assert isinstance(stage.sessions.looked_for[1], TypedNumber)


def test_a_poor_picture_may_be_taken_again_and_then_no_more(stage: Stage) -> None:
    stage.sessions.answers = [UnknownReason.NOT_CLEAR, UnknownReason.NOT_CLEAR]
    stage.open()
    stage.show_good_frames()
    stage.end()
    stage.conversation.answer(AGAIN)
    stage.show_good_frames()
    last = stage.end()

    assert isinstance(last, ResultMessage)
    assert not last.may_go_on
    assert last.state is SessionState.REFUSED
    assert stage.conversation.decided
    assert stage.tallies.counted == [CaptureOutcome.FAILED]


# --- every way out -------------------------------------------------------------------------------


def _lost_while_looking(stage: Stage) -> None:
    for _ in range(3):
        stage.show()
    stage.conversation.lose()


def _lost_after_enough(stage: Stage) -> None:
    stage.show_good_frames()
    stage.conversation.lose()


def _refused_by_the_chain(stage: Stage) -> None:
    stage.show()
    stage.conversation.answer(_altered(stage))


def _decided(stage: Stage) -> None:
    stage.show_good_frames()
    stage.end()


def _unknown_and_lost(stage: Stage) -> None:
    stage.sessions.answers = [UnknownReason.NOT_CLEAR]
    stage.show_good_frames()
    stage.end()
    stage.conversation.lose()


def _engine_breaks(stage: Stage) -> None:
    stage.show()

    def broken() -> None:
        raise MemoryError

    stage.engine.meanwhile = broken
    with pytest.raises(MemoryError):
        stage.show()


def _decision_breaks(stage: Stage) -> None:
    stage.sessions.answers = [OSError("a fault")]
    stage.show_good_frames()
    with pytest.raises(OSError, match="a fault"):
        stage.end()


def _all_is_forgotten(stage: Stage) -> None:
    """After the caller, too, has let go of what was decided on."""
    stage.sessions.captured.clear()
    gc.collect()
    assert stage.engine.pixels
    assert stage.engine.held() == 0


@pytest.mark.parametrize(
    "way_out",
    [
        _lost_while_looking,
        _lost_after_enough,
        _refused_by_the_chain,
        _decided,
        _unknown_and_lost,
        _engine_breaks,
        _decision_breaks,
    ],
)
def test_on_every_way_out_no_pixel_stays_and_the_capture_is_counted_once(
    stage: Stage, way_out: Callable[[Stage], None]
) -> None:
    stage.open()
    way_out(stage)
    stage.conversation.lose()

    _all_is_forgotten(stage)
    assert len(stage.tallies.counted) == 1
    assert stage.conversation.over
    assert (stage.sessions.abandoned == []) == (way_out is _decided)


@pytest.mark.parametrize("way_out", [_lost_while_looking, _refused_by_the_chain, _engine_breaks])
def test_in_the_middle_of_a_challenge_every_way_out_forgets_too(
    way_out: Callable[[Stage], None],
) -> None:
    stage = Stage().active()
    stage.open()
    stage.show_good_frames()
    way_out(stage)

    _all_is_forgotten(stage)
    assert stage.tallies.counted == [CaptureOutcome.FAILED]
    assert len(stage.sessions.abandoned) == 1


@pytest.mark.parametrize("before_end", [True, False])
def test_a_lost_socket_gives_the_session_up_only_when_nothing_was_decided(
    stage: Stage, before_end: bool
) -> None:
    stage.open()
    stage.show_good_frames()
    if not before_end:
        stage.end()
    stage.conversation.lose()

    expected = [(SESSION, "verification.capture_lost")] if before_end else []
    assert stage.sessions.abandoned == expected


def _forge_end(stage: Stage) -> None:
    chain = stage.chain if stage.chain.count else Chain(1, bytes(32))
    stage.end(key=SigningKey.generate(Algorithm.ECDSA_P256_SHA256), chain=chain)


def _end(stage: Stage) -> None:
    stage.end(chain=stage.chain if stage.chain.count else Chain(1, bytes(32)))


MOVES: dict[str, Callable[[Stage], object]] = {
    "o": lambda stage: stage.open(),
    "s": lambda stage: stage.show(),
    "d": lambda stage: stage.show(hint=Hint.TOO_DARK),
    "e": _end,
    "f": _forge_end,
    "a": lambda stage: stage.conversation.answer(AGAIN),
    "l": lambda stage: stage.conversation.lose(),
    "j": lambda stage: stage.conversation.answer("{}"),
    "r": lambda stage: stage.conversation.answer(pack_frame(Chain.begun(NONCE), painted())[1]),
    "w": lambda stage: stage.wait(1),
}
HONEST = re.compile("w*o([dw]*s){5}w*e")
anything = st.text(alphabet=list(MOVES), max_size=14)
nearly_honest = st.builds(
    lambda length, tail: "odswssdsse"[:length] + tail, st.integers(0, 10), anything
)


@given(moves=anything | nearly_honest, active=st.booleans())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_but_the_whole_protocol_leads_to_a_decision(moves: str, active: bool) -> None:
    stage = Stage().active() if active else Stage()
    for move in moves:
        if not stage.conversation.over:
            MOVES[move](stage)

    verified = stage.sessions.state is SessionState.VERIFIED
    assert verified == (not active and HONEST.match(moves) is not None)
    assert len(stage.tallies.counted) <= 1
    assert not stage.conversation.over or stage.conversation._running is None
