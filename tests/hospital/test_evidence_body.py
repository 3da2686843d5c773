from datetime import UTC, date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from hospital.world import CLERK, HOSPITAL, KIOSK, ZHANG
from shualian.core.id_number import ID_NUMBER_INVALID
from shualian.core.identifiers import IntentId
from shualian.core.refusals import Refused
from shualian.hospital.evidence_body import (
    EvidenceAtTerminal,
    EvidenceAtWindow,
    evidence_at_terminal,
    evidence_at_window,
)
from shualian.hospital.model import (
    AtTerminal,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    FaceEvidence,
)

AT = AtTerminal(KIOSK, HOSPITAL, "一层大厅 2 号机")
TODAY = date(2026, 1, 5)
FACE = {
    "kind": "face",
    "auth_no": "secret-number",
    "intent_id": "I1",
    "scene": "01101",
    "first_frame_at": "2026-01-05T09:00:00+08:00",
}
CODE = {"kind": "code", "token": "scanned", "intent_id": "I1"}
CARD = {"kind": "card", "card_no": "A123", "pin": "135790", "intent_id": "I1"}
DOCUMENT = {"kind": "document", "id_number": ZHANG.certno.value, "intent_id": "I1"}
at_terminal = TypeAdapter[EvidenceAtTerminal](EvidenceAtTerminal)
at_window = TypeAdapter[EvidenceAtWindow](EvidenceAtWindow)


def test_a_face_at_a_terminal_is_of_the_terminal_whose_request_was_verified() -> None:
    found = evidence_at_terminal(at_terminal.validate_python(FACE), AT)
    assert isinstance(found, FaceEvidence)
    assert found.terminal_id == KIOSK
    assert found.first_frame_at == datetime(2026, 1, 5, 1, tzinfo=UTC)


def test_code_and_card_are_taken_at_terminals() -> None:
    code, card = (
        evidence_at_terminal(at_terminal.validate_python(each), AT) for each in (CODE, CARD)
    )
    assert code == CodeEvidence("scanned", IntentId("I1"))
    assert card == CardEvidence("A123", "135790", IntentId("I1"))


@pytest.mark.parametrize("body", [DOCUMENT, {**FACE, "terminal_id": "K99"}, {**CARD, "pin": "1"}])
def test_a_terminal_cannot_say_that_a_document_was_seen_or_that_it_is_another(
    body: dict[str, str],
) -> None:
    with pytest.raises(ValidationError) as invalid:
        at_terminal.validate_python(body)
    assert ZHANG.certno.value not in str(invalid.value)


def test_a_document_at_a_window_is_seen_by_who_is_signed_in() -> None:
    found = evidence_at_window(at_window.validate_python(DOCUMENT), seen_by=CLERK, today=TODAY)
    assert found == DocumentEvidence(ZHANG.certno, CLERK, IntentId("I1"))


def test_a_number_that_cannot_be_is_refused() -> None:
    body = at_window.validate_python({**DOCUMENT, "id_number": "990000196002290019"})
    with pytest.raises(Refused) as refused:
        evidence_at_window(body, seen_by=CLERK, today=TODAY)
    assert refused.value.kind is ID_NUMBER_INVALID


def test_a_face_at_a_window_names_the_terminal_that_stands_there() -> None:
    body = at_window.validate_python({**FACE, "terminal_id": "W01"})
    found = evidence_at_window(body, seen_by=CLERK, today=TODAY)
    assert isinstance(found, FaceEvidence)
    assert found.terminal_id == "W01"


@pytest.mark.parametrize(("body", "secret"), [(FACE, "auth_no"), (CODE, "token"), (CARD, "pin")])
def test_no_secret_is_printed(body: dict[str, str], secret: str) -> None:
    assert body[secret] not in repr(at_terminal.validate_python(body))
