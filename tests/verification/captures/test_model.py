"""The chain, its limits and the end: pure rules of what goes over the socket."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import SessionId
from shualian.core.refusals import Refused
from shualian.trust.signatures import Algorithm, SigningKey, verify
from shualian.verification.captures.model import (
    CaptureLimits,
    Chain,
    Traffic,
    check_end,
    end_message,
    end_statement,
    pack_frame,
    signature_of,
    unpack_frame,
)
from verification.captures.stage import KEY, NONCE, SESSION, START

jpegs = st.binary(max_size=40).map(lambda rest: b"\xff\xd8\xff" + rest)
captures = st.lists(jpegs, min_size=1, max_size=8)


def _packed(frames: Sequence[bytes], nonce: str = NONCE) -> tuple[Chain, list[bytes]]:
    chain, messages = Chain.begun(nonce), []
    for jpeg in frames:
        chain, message = pack_frame(chain, jpeg)
        messages.append(message)
    return chain, messages


def _unpacked(messages: Sequence[bytes], nonce: str = NONCE) -> tuple[Chain, list[bytes]]:
    chain, frames = Chain.begun(nonce), []
    for message in messages:
        chain, jpeg = unpack_frame(chain, message)
        frames.append(jpeg)
    return chain, frames


def test_the_chain_is_the_one_that_the_document_describes() -> None:
    """Written out by hand, so that a terminal of another maker comes to the same values."""
    begun = sha256(b"shualian capture v1" + NONCE.encode()).digest()
    jpeg = b"\xff\xd8\xff one"
    first = sha256(begun + b"\x00\x00\x00\x01" + sha256(jpeg).digest()).digest()

    assert Chain.begun(NONCE) == Chain(0, begun)
    assert pack_frame(Chain.begun(NONCE), jpeg) == (
        Chain(1, first),
        b"\x00\x00\x00\x01" + first + jpeg,
    )


@given(captures)
def test_what_was_packed_is_what_arrives(frames: list[bytes]) -> None:
    chain, messages = _packed(frames)

    assert _unpacked(messages) == (chain, frames)


@given(captures, st.data())
def test_nothing_can_be_left_out_repeated_swapped_or_changed(
    frames: list[bytes], data: st.DataObject
) -> None:
    _, messages = _packed(frames)
    at = data.draw(st.integers(0, len(messages) - 1))
    byte = data.draw(st.integers(0, len(messages[at]) - 1))
    flipped = bytearray(messages[at])
    flipped[byte] ^= data.draw(st.integers(1, 255))
    forgeries = [
        [*messages[:at], bytes(flipped), *messages[at + 1 :]],
        [*messages[: at + 1], messages[at], *messages[at + 1 :]],
    ]
    if at + 1 < len(messages):
        forgeries.append([*messages[:at], *messages[at + 1 :]])
        forgeries.append([*messages[:at], messages[at + 1], messages[at], *messages[at + 2 :]])
    for forged in forgeries:
        with pytest.raises(Refused):
            _unpacked(forged)


@given(captures)
def test_frames_of_one_session_do_not_begin_another(frames: list[bytes]) -> None:
    _, messages = _packed(frames, "the-nonce-of-one-session")

    with pytest.raises(Refused) as refused:
        _unpacked(messages)
    assert refused.value.kind.code == "verification.frame_chain_broken"


@given(captures)
def test_the_end_holds_for_exactly_this_capture(frames: list[bytes]) -> None:
    chain, _ = _packed(frames)
    message = end_message(SESSION, nonce=NONCE, chain=chain, key=KEY)
    signature = signature_of(message)

    check_end(message, chain)
    assert verify(KEY.public_key, end_statement(SESSION, nonce=NONCE, chain=chain), signature)
    others = [
        end_statement(SessionId("0" * 26), nonce=NONCE, chain=chain),
        end_statement(SESSION, nonce="another-nonce-of-it", chain=chain),
        end_statement(SESSION, nonce=NONCE, chain=chain.with_frame(b"one more")),
    ]
    assert not any(verify(KEY.public_key, other, signature) for other in others)


def test_a_native_terminal_signs_with_sm2() -> None:
    key = SigningKey.generate(Algorithm.SM2_SM3)
    chain, _ = _packed([b"\xff\xd8\xff"])
    message = end_message(SESSION, nonce=NONCE, chain=chain, key=key)
    statement = end_statement(SESSION, nonce=NONCE, chain=chain)

    assert verify(key.public_key, statement, signature_of(message))


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(2, 20))
def test_no_second_ever_holds_more_frames_than_allowed(gaps: list[float], per_second: int) -> None:
    limits = CaptureLimits(frames_per_second_max=per_second)
    traffic, now, taken = Traffic(START), START, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        try:
            traffic = traffic.with_frame(100, now=now, limits=limits)
        except Refused:
            break
        taken.append(now)

    for moment in taken:
        within = [at for at in taken if moment <= at < moment + timedelta(seconds=1)]
        assert len(within) <= per_second


@pytest.mark.parametrize(
    "loosened",
    [
        {"frames_max": 401},
        {"frame_bytes_max": 513 * 1024},
        {"frames_per_second_max": 21},
        {"seconds_max": 91},
        {"silence_seconds_max": 31},
        {"open_seconds_max": 10.5},
        {"text_bytes_max": 4097},
    ],
)
def test_an_operator_can_only_narrow_the_limits(loosened: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="less than or equal"):
        CaptureLimits.model_validate(loosened)
