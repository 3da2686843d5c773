import pytest

from shualian.core.refusals import RefusalKind
from shualian.insurer.consents import model as consents
from shualian.insurer.erasures import model as erasures
from shualian.insurer.notices import model as notices
from shualian.insurer.templates import model as templates

SUBJECTS = (consents, erasures, notices, templates)
KINDS = [kind for subject in SUBJECTS for kind in subject.REFUSALS]


def test_every_refusal_kind_is_in_the_closed_set_of_its_subject() -> None:
    declared = {
        value
        for subject in SUBJECTS
        for value in vars(subject).values()
        if isinstance(value, RefusalKind)
    }

    assert declared == set(KINDS)
    assert len(KINDS) == len({kind.code for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_says_in_both_languages_what_happened_and_what_to_do(kind: RefusalKind) -> None:
    assert kind.code.startswith("insurer.")
    assert len(kind.code) <= 48
    assert all(text.strip() for text in (kind.zh, kind.en, kind.next_zh, kind.next_en))
    assert (kind.en + kind.next_en).isascii()
    assert not kind.zh.isascii()
