"""A message that a terminal's key signs outside of a request."""

from collections.abc import Callable
from functools import partial

import pytest

from shualian.core.refusals import RefusalKind, Refused
from shualian.terminals.enrolment.model import KeyId, RotationRequest, key_id_of, rotation_message
from shualian.terminals.requests.model import (
    KEY_RETIRED,
    KEY_UNKNOWN,
    SIGNATURE_WRONG,
    TERMINAL_PENDING,
    TERMINAL_REVOKED,
    TERMINAL_SUSPENDED,
    counter_name,
)
from shualian.trust.signatures import SigningKey
from terminals.district import SUPERVISOR, Device, District, place_spec

MESSAGE = b"the end of a capture"


def _checked(district: District, device: Device, key: SigningKey | None = None) -> object:
    signature = (key or device.key).sign(MESSAGE)
    return district.requests.verify_message(
        key_id_of(device.key.public_key), MESSAGE, signature
    ).terminal_id


def _refused(work: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind


def test_what_an_active_terminals_key_signed_is_believed(district: District) -> None:
    device = district.active()
    assert _checked(district, device) == device.terminal_id


def test_another_key_or_another_message_is_refused_and_counted(district: District) -> None:
    device = district.active()
    other = SigningKey.generate(device.key.public_key.algorithm)
    key_id = key_id_of(device.key.public_key)

    assert _refused(lambda: _checked(district, device, other)) is SIGNATURE_WRONG
    signature = device.key.sign(MESSAGE)
    for message, sent in ((MESSAGE + b".", signature), (MESSAGE, signature[:-1]), (MESSAGE, b"")):
        work = partial(district.requests.verify_message, key_id, message, sent)
        assert _refused(work) is SIGNATURE_WRONG
    assert district.counters.counted[counter_name(SIGNATURE_WRONG)] == 4


def test_an_unknown_key_is_refused(district: District) -> None:
    district.active()
    unknown = KeyId("0" * 64)
    assert (
        _refused(lambda: district.requests.verify_message(unknown, MESSAGE, bytes(64)))
        is KEY_UNKNOWN
    )


def test_a_terminal_that_is_not_believed_any_more_cannot_end_anything(district: District) -> None:
    pending = district.enrolled(place_spec("一层 1 号机"))
    suspended, revoked = (district.active(place_spec(f"一层 {n} 号机")) for n in (2, 3))
    district.enrolments.suspend(actor=SUPERVISOR, terminal_id=suspended.terminal_id)
    district.enrolments.revoke(actor=SUPERVISOR, terminal_id=revoked.terminal_id)

    devices = (pending, suspended, revoked)
    kinds = [_refused(partial(_checked, district, each)) for each in devices]

    assert kinds == [TERMINAL_PENDING, TERMINAL_SUSPENDED, TERMINAL_REVOKED]


def test_a_key_that_was_replaced_cannot_end_anything(district: District) -> None:
    device = district.active()
    new = SigningKey.generate(device.key.public_key.algorithm)
    key_id = key_id_of(device.key.public_key)
    message = rotation_message(key_id, new.public_key)
    district.enrolments.rotate_key(
        RotationRequest(key_id, new.public_key, device.key.sign(message), new.sign(message))
    )

    assert _refused(lambda: _checked(district, device)) is KEY_RETIRED
