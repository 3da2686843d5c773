import pytest

from shualian.core.refusals import RefusalKind
from shualian.insurer.benefits import model as benefits
from shualian.insurer.funds import model as funds
from shualian.insurer.institutions import model as institutions
from shualian.insurer.persons import model as persons
from shualian.insurer.reconciliation import model as reconciliation
from shualian.insurer.settlement import model as settlement
from shualian.insurer.settlement.evidence import model as evidence
from shualian.insurer.supervision import model as supervision
from shualian.insurer.supervision.alerts import model as alerts
from shualian.insurer.supervision.captures import model as known_captures
from shualian.insurer.supervision.signins import model as signins
from shualian.insurer.supervision.wardchecks import model as wardchecks
from shualian.insurer.traces import model as traces

SUBJECTS = (
    benefits,
    funds,
    institutions,
    persons,
    settlement,
    evidence,
    reconciliation,
    supervision,
    alerts,
    known_captures,
    signins,
    wardchecks,
    traces,
)
KINDS = [kind for subject in SUBJECTS for kind in subject.REFUSALS]


def test_every_refusal_kind_of_a_subject_is_in_its_closed_set() -> None:
    declared = {
        value
        for subject in SUBJECTS
        for value in vars(subject).values()
        if isinstance(value, RefusalKind) and value.code.startswith("insurer.")
    }

    # Settlement uses one kind of benefits; it belongs to the set of benefits only. Captures of
    # known people are refused with verification's own kinds too.
    assert declared == set(KINDS)
    assert len(KINDS) == len({kind.code for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_says_in_both_languages_what_happened_and_what_to_do(kind: RefusalKind) -> None:
    assert kind.code.startswith("insurer.")
    assert all(text.strip() for text in (kind.zh, kind.en, kind.next_zh, kind.next_en))
    assert kind.en.isascii()
    assert kind.next_en.isascii()
    assert not kind.zh.isascii()
