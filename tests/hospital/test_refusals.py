"""Every refusal of the hospital's rooms says in two languages what happened and what to do."""

import pytest

from shualian.core.refusals import RefusalKind
from shualian.hospital.clinical import model as clinical
from shualian.hospital.examinations import model as examinations
from shualian.hospital.handovers import model as handovers
from shualian.hospital.orders import model as orders
from shualian.hospital.payments import model as payments
from shualian.hospital.prices import model as prices

SUBJECTS = (orders, payments, prices, clinical, examinations, handovers)
KINDS = [kind for subject in SUBJECTS for kind in subject.REFUSALS]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.__name__)
def test_every_kind_that_a_subject_declares_is_in_its_closed_set(subject: object) -> None:
    own = {kind.code for kind in subject.REFUSALS}  # type: ignore[attr-defined]
    used = {value.code for value in vars(subject).values() if isinstance(value, RefusalKind)}
    borrowed = {
        "hospital.command_differs",
        "hospital.intent_differs",
        "hospital.answer_invalid",
        "hospital.proof_not_fitting",
        "hospital.wallet_hold_ended",
    }
    assert own <= used <= own | borrowed


def test_no_code_stands_twice() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_has_words_and_a_next_step(kind: RefusalKind) -> None:
    assert kind.code.startswith("hospital.")
    assert all(text.strip() for text in (kind.zh, kind.en, kind.next_zh, kind.next_en))
    assert kind.en.isascii()
    assert kind.next_en.isascii()
    assert not kind.zh.isascii()
