"""Evidence in the body of a request: one union for terminals, one for windows.

At a terminal the verified request says which terminal it is. At a window a document is seen by
the signed-in clerk, and a face was taken at a terminal that the body names; the insurer compares
that with its proof.
"""

from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId, StaffId, TerminalId
from shualian.hospital.model import (
    AtTerminal,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
)
from shualian.verification.model import Scene

Secret = Annotated[str, StringConstraints(min_length=1, max_length=64)]
IntentText = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TerminalText = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,30}$")]
_Pin = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
_IdText = Annotated[str, StringConstraints(min_length=15, max_length=20)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FaceBody(_Body):
    """A confirmed face."""

    kind: Literal["face"]
    auth_no: Secret = Field(repr=False)
    intent_id: IntentText
    scene: Scene
    first_frame_at: AwareDatetime

    def evidence(self, terminal_id: TerminalId) -> FaceEvidence:
        """The evidence, captured at this terminal."""
        return FaceEvidence(
            auth_no=AuthNo(self.auth_no),
            intent_id=IntentId(self.intent_id),
            scene=self.scene,
            terminal_id=terminal_id,
            first_frame_at=self.first_frame_at,
        )


class FaceAtWindowBody(FaceBody):
    """A confirmed face, captured at the terminal that stands at a window."""

    terminal_id: TerminalText


class CodeBody(_Body):
    """A scanned code of the person's own e-voucher."""

    kind: Literal["code"]
    token: Secret = Field(repr=False)
    intent_id: IntentText


class CardBody(_Body):
    """A card that was read, with the PIN that the person typed."""

    kind: Literal["card"]
    card_no: Secret = Field(repr=False)
    pin: _Pin = Field(repr=False)
    intent_id: IntentText


class DocumentBody(_Body):
    """An ID document that the signed-in clerk saw."""

    kind: Literal["document"]
    id_number: _IdText = Field(repr=False)
    intent_id: IntentText


EvidenceAtTerminal: TypeAlias = Annotated[
    FaceBody | CodeBody | CardBody, Field(discriminator="kind")
]
"""What a person shows at a terminal, without anybody of the hospital beside them."""
EvidenceAtWindow: TypeAlias = Annotated[
    FaceAtWindowBody | CodeBody | CardBody | DocumentBody, Field(discriminator="kind")
]
"""What a person shows to a member of staff."""


def evidence_at_terminal(body: FaceBody | CodeBody | CardBody, at: AtTerminal) -> Evidence:
    """What the body says, at the terminal whose request was verified."""
    if isinstance(body, FaceBody):
        return body.evidence(at.terminal_id)
    return _code_or_card(body)


def evidence_at_window(
    body: FaceAtWindowBody | CodeBody | CardBody | DocumentBody, *, seen_by: StaffId, today: date
) -> Evidence:
    """What the body says, before a member of staff.

    Args:
        body: As it came.
        seen_by: Who is signed in; answers for a document.
        today: The business day; an ID number cannot be of somebody who is not born.

    Raises:
        Refused: ``core.id_number_invalid``.
    """
    if isinstance(body, DocumentBody):
        number = parse_id_number(body.id_number, today=today)
        return DocumentEvidence(
            id_number=number, seen_by=seen_by, intent_id=IntentId(body.intent_id)
        )
    if isinstance(body, FaceAtWindowBody):
        return body.evidence(TerminalId(body.terminal_id))
    return _code_or_card(body)


def _code_or_card(body: CodeBody | CardBody) -> Evidence:
    intent_id = IntentId(body.intent_id)
    if isinstance(body, CodeBody):
        return CodeEvidence(body.token, intent_id)
    return CardEvidence(body.card_no, body.pin, intent_id)
