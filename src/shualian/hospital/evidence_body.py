"""Evidence in the body of a request: one union for terminals, one for windows.

At a terminal the verified request says which terminal it is. At a window a document is seen by
the signed-in clerk. A face comes to a page of staff as the number under which the terminal beside
it handed the proof over; a client that holds the proof itself names the terminal, and the insurer
compares that with its proof.
"""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, StringConstraints

from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId, StaffId, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.api import Body
from shualian.hospital.model import (
    HANDOVER_GONE,
    AtTerminal,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
)
from shualian.verification.model import Relation, Scene

Secret = Annotated[str, StringConstraints(min_length=1, max_length=64)]
IntentText = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TerminalText = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,30}$")]
AskedText = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Pin = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
_IdText = Annotated[str, StringConstraints(min_length=15, max_length=20)]


class FaceBody(Body):
    """A confirmed face.

    Whoever acts for a bound relative says so: a proof for another person that came as one's own
    is refused, and the other way round.
    """

    kind: Literal["face"]
    auth_no: Secret = Field(repr=False)
    intent_id: IntentText
    scene: Scene
    first_frame_at: AwareDatetime
    relation: Literal["self", "family"] = "self"

    def evidence(self, terminal_id: TerminalId) -> FaceEvidence:
        """The evidence, captured at this terminal."""
        return FaceEvidence(
            auth_no=AuthNo(self.auth_no),
            intent_id=IntentId(self.intent_id),
            scene=self.scene,
            terminal_id=terminal_id,
            first_frame_at=self.first_frame_at,
            relation=Relation(self.relation),
        )


class FaceAtWindowBody(FaceBody):
    """A confirmed face, captured at the terminal that stands at a window."""

    terminal_id: TerminalText


class HandedOverBody(Body):
    """A confirmed face that the terminal at this desk handed over; its number is no secret."""

    kind: Literal["handed_over"]
    asked_no: AskedText


HandedOver: TypeAlias = Callable[[str, StaffId], FaceEvidence]
"""Finds what was handed over for one who asked; refuses as ``hospital.handover_gone``."""


class CodeBody(Body):
    """A scanned code of the person's own e-voucher."""

    kind: Literal["code"]
    token: Secret = Field(repr=False)
    intent_id: IntentText


class CardBody(Body):
    """A card that was read, with the PIN that the person typed."""

    kind: Literal["card"]
    card_no: Secret = Field(repr=False)
    pin: _Pin = Field(repr=False)
    intent_id: IntentText


class DocumentBody(Body):
    """An ID document that the signed-in clerk saw."""

    kind: Literal["document"]
    id_number: _IdText = Field(repr=False)
    intent_id: IntentText


EvidenceAtTerminal: TypeAlias = Annotated[
    FaceBody | CodeBody | CardBody, Field(discriminator="kind")
]
"""What a person shows at a terminal, without anybody of the hospital beside them."""
EvidenceAtWindow: TypeAlias = Annotated[
    FaceAtWindowBody | HandedOverBody | CodeBody | CardBody | DocumentBody,
    Field(discriminator="kind"),
]
"""What a person shows to a member of staff."""


def no_desk(asked_no: str, by: StaffId) -> FaceEvidence:
    """Where no terminal stands beside the staff: nothing was ever handed over."""
    del asked_no, by
    raise Refused(HANDOVER_GONE)


def evidence_at_terminal(body: FaceBody | CodeBody | CardBody, at: AtTerminal) -> Evidence:
    """What the body says, at the terminal whose request was verified."""
    if isinstance(body, FaceBody):
        return body.evidence(at.terminal_id)
    return _code_or_card(body)


def evidence_at_window(
    body: FaceAtWindowBody | HandedOverBody | CodeBody | CardBody | DocumentBody,
    *,
    seen_by: StaffId,
    today: date,
    handed_over: HandedOver = no_desk,
) -> Evidence:
    """What the body says, before a member of staff.

    Args:
        body: As it came.
        seen_by: Who is signed in; answers for a document.
        today: The business day; an ID number cannot be of somebody who is not born.
        handed_over: Finds what the terminal at the desk handed over.

    Raises:
        Refused: ``core.id_number_invalid``, ``hospital.handover_gone``.
    """
    if isinstance(body, HandedOverBody):
        return handed_over(body.asked_no, seen_by)
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
