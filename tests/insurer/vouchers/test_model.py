"""Refusals of vouchers say what happened and what to do."""

import pytest

from shualian.core.refusals import RefusalKind
from shualian.insurer.channels import model as channels
from shualian.insurer.vouchers import model as vouchers

KINDS = [*vouchers.REFUSALS, *channels.REFUSALS]


def test_every_kind_is_in_its_closed_set_once() -> None:
    declared = {
        value
        for subject in (vouchers, channels)
        for value in vars(subject).values()
        if isinstance(value, RefusalKind)
    }
    assert declared == set(KINDS)
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_says_in_both_languages_what_to_do(kind: RefusalKind) -> None:
    assert kind.code.startswith("insurer.")
    assert len(kind.code) <= 48
    assert kind.en.isascii()
    assert kind.next_en.isascii()
    assert not kind.zh.isascii()
    assert not kind.next_zh.isascii()
