"""The access log over HTTP: by one's own proof at a terminal, or with a document at a window."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.accesses.model import AccessCode, AccessLog, PlacedLine, Viewer
from shualian.insurer.accesses.ports import Confirmations, People
from shualian.insurer.accesses.service import Accesses
from shualian.insurer.consents.api import GuardianBody
from shualian.insurer.consents.model import ByGuardian, ByPerson, DocumentKind, GivenBy
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.model import Actor
from shualian.terminals.service import TerminalServices
from shualian.verification.emergency.model import EmergencyReason, ReviewFinding
from shualian.verification.model import Scene

ACCESSES_PATH = "/terminal/v1/accesses"
"""POST :class:`AccessesBody`, signed, with the person's own proof; answers :class:`LogAnswer`."""
LOOK_USE = "accesses.look"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{17}[0-9Xx]$")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AccessesBody(_Body):
    """Show the log of the person who scanned; with ``child_number`` that of their child."""

    claim: ClaimBody
    auth_no: _Text = Field(repr=False)
    intent_id: _Text
    child_number: _Number | None = Field(default=None, repr=False)


class WindowAccessesBody(_Body):
    """Whose log, as read in the document that was shown."""

    id_number: _Number = Field(repr=False)
    document: DocumentKind
    guardian: GuardianBody | None = None


class LineAnswer(BaseModel):
    """One use of the person's identity."""

    at: datetime
    what: AccessCode
    zh: str
    en: str
    institution: str | None
    institution_name: str | None
    place: str | None
    department: str | None
    scene: str | None
    use: str | None
    reason: EmergencyReason | None
    finding: ReviewFinding | None
    viewer: Viewer | None
    by_relative: bool


class LogAnswer(BaseModel):
    """The newest lines, oldest first."""

    lines: list[LineAnswer]
    earlier: int
    kept_from: datetime


class _Numbers:
    """Finds people by numbers that were typed or read."""

    def __init__(self, people: People, clock: Clock) -> None:
        self._people = people
        self._clock = clock

    def person(self, number: str) -> PersonNo:
        id_number = parse_id_number(number, today=business_date(self._clock.now()))
        found = self._people.by_number(id_number)
        if found is None:
            raise Refused(PERSON_NOT_FOUND)
        return found

    def asker(self, body: WindowAccessesBody, actor: Actor) -> GivenBy:
        guardian = body.guardian
        if guardian is None:
            return ByPerson(body.document, actor.staff)
        number = guardian.guardian_number
        named = None if number is None else self.person(number)
        return ByGuardian(guardian.relation, named, body.document, actor.staff)


def terminal_routes(
    terminals: TerminalServices,
    accesses: Accesses,
    confirmations: Confirmations,
    people: People,
    *,
    clock: Clock,
    origin: str,
) -> APIRouter:
    """What a person reads at a terminal.

    Args:
        terminals: Verify the request.
        accesses: The log.
        confirmations: Redeems the person's proof.
        people: Finds a child by its number.
        clock: For the check of a typed number.
        origin: The listener's canonical origin.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)
    numbers = _Numbers(people, clock)

    @routes.post(ACCESSES_PATH)
    def look(body: AccessesBody, sender: terminals_api.Verified, response: Response) -> LogAnswer:
        """Every use of the person's identity: when, where, what for."""
        scene = Scene.INSURED_SERVICES.value
        terminals.requests.check_business(sender, scene=scene, claim=body.claim.claim())
        response.headers["Cache-Control"] = "no-store"
        person = confirmations.confirmed(
            AuthNo(body.auth_no),
            terminal=sender.terminal,
            intent_id=IntentId(body.intent_id),
            use=LOOK_USE,
        )
        if body.child_number is None:
            return _answer(accesses.of(person.subject))
        child = numbers.person(body.child_number)
        return _answer(accesses.to_guardian(child, person.subject, terminal=sender.terminal))

    return routes


def staff_routes(
    accesses: Accesses, people: People, caller: terminals_api.ActorOf, *, clock: Clock
) -> APIRouter:
    """What staff show to a person who stands at a window with a document; the look is recorded.

    Args:
        accesses: The log.
        people: Finds whose document it is.
        caller: Finds who asks and checks that the role allows it.
        clock: For the check of ID numbers.
    """
    routes = APIRouter(prefix="/accesses", tags=["accesses"])
    numbers = _Numbers(people, clock)

    @routes.post("")
    def look(
        body: WindowAccessesBody, response: Response, who: Annotated[Actor, Depends(caller)]
    ) -> LogAnswer:
        """Every use of the person's identity, this look among them."""
        response.headers["Cache-Control"] = "no-store"
        psn_no = numbers.person(body.id_number)
        return _answer(accesses.at_window(psn_no, by=numbers.asker(body, who), actor=who))

    return routes


def _answer(log: AccessLog) -> LogAnswer:
    return LogAnswer(
        lines=[_line(each) for each in log.lines], earlier=log.earlier, kept_from=log.kept_from
    )


def _line(placed: PlacedLine) -> LineAnswer:
    line, place = placed.line, placed.place
    zh, en = line.words
    return LineAnswer(
        at=line.at,
        what=line.what,
        zh=zh,
        en=en,
        institution=line.institution,
        institution_name=placed.institution_name,
        place=None if place is None else place.name,
        department=None if place is None else place.department,
        scene=None if line.scene is None else line.scene.value,
        use=line.use,
        reason=line.reason,
        finding=line.finding,
        viewer=line.viewer,
        by_relative=line.by_relative,
    )
