"""Terminals over HTTP: what terminals call, signed, and what staff call about them.

On the terminal listener the order is fixed: network, size, signature, and only then is a body
read as JSON. A custom route does it, because a dependency would come after FastAPI has parsed.
"""

from collections.abc import Callable, Coroutine, Iterable
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.types import Message, Receive, Scope

from shualian.core.identifiers import TerminalId
from shualian.core.refusals import Refused
from shualian.terminals.agent.model import (
    ENROLMENT_PATH,
    HEARTBEAT_PATH,
    ROTATION_PATH,
    ClaimBody,
    EnrolmentAnswer,
    EnrolmentBody,
    HeartbeatAnswer,
    HeartbeatBody,
    RotationBody,
)
from shualian.terminals.enrolment.model import Enrolment, Invitation, KeyId
from shualian.terminals.heartbeat.model import Health
from shualian.terminals.model import (
    Actor,
    InstitutionStaff,
    InsurerStaff,
    Place,
    TerminalClass,
    terminal_refusal,
)
from shualian.terminals.register.model import (
    CertifiedModel,
    Coordinates,
    PlaceId,
    PlaceSpec,
    RegisteredPlace,
    parse_networks,
    parse_version,
    version_text,
)
from shualian.terminals.requests.model import RequestPurpose, SignedRequest, VerifiedRequest
from shualian.terminals.requests.service import SignedRequests
from shualian.terminals.service import TerminalServices

WHO_AM_I_PATH = "/terminal/v1/whoami"
"""POST :class:`WhoAmIBody`, signed, purpose business; answers :class:`WhoAmIAnswer`."""
TERMINAL_BODY_BYTES_MAX = 64 * 1024
"""No request of a terminal is larger; frames do not travel this way."""

ActorOf = Callable[[Request], Actor]
"""Finds who asks, signed in and allowed to ask this, or refuses."""

WRONG_SIDE = terminal_refusal(
    "wrong_side",
    "这项操作要由另一方的人员办理",
    "This is for the staff of the other side: places are made by institutions, "
    "models and approvals by the insurer",
    "请联系医院管理员或医保局监管人员",
    "Ask the institution's administrator or the insurer's supervisor",
)
REFUSALS = (WRONG_SIDE,)

_TerminalPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]
_CertificatePath = Annotated[str, Path(pattern=r"^[A-Z][0-9A-Z._-]{0,63}$")]
_Certificate = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9A-Z._-]{0,63}$")]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,3}$")]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=60)]
_Scene = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
_Network = Annotated[str, StringConstraints(max_length=50)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WhoAmIBody(_Body):
    """What a business request says of itself: for which scene, and at which place."""

    scene: _Scene
    claim: ClaimBody


class WhoAmIAnswer(_Body):
    """The terminal as the register knows it."""

    terminal_id: str
    institution: str
    terminal_class: TerminalClass
    place_id: str
    place: str
    department: str
    scenes: list[str]


class ModelBody(_Body):
    """A certified model to register."""

    certificate: _Certificate
    maker: _Words
    model: _Words
    terminal_class: TerminalClass
    valid_until: date
    software_min: _Version
    software_current: _Version


class ModelAnswer(_Body):
    """A certified model of the register."""

    certificate: str
    maker: str
    model: str
    terminal_class: TerminalClass
    valid_until: date
    software_min: str
    software_current: str
    withdrawn_at: datetime | None


class ValidityBody(_Body):
    """The new last day of a certificate."""

    valid_until: date


class SoftwareBody(_Body):
    """The versions to demand from now on."""

    software_min: _Version
    software_current: _Version


class PlaceBody(_Body):
    """A place for one terminal."""

    name: _Words
    department: _Words
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    fence_m: Annotated[int, Field(ge=10, le=2_000)]
    terminal_class: TerminalClass
    scenes: Annotated[list[_Scene], Field(min_length=1, max_length=32)]
    mobile: bool = False
    networks: Annotated[list[_Network], Field(max_length=16)] = []

    def spec(self) -> PlaceSpec:
        """The place that is described.

        Raises:
            Refused: ``terminals.place_invalid`` for networks.
        """
        return PlaceSpec(
            place=Place(name=self.name, department=self.department),
            coordinates=Coordinates(self.latitude, self.longitude),
            fence_m=self.fence_m,
            terminal_class=self.terminal_class,
            scenes=frozenset(self.scenes),
            mobile=self.mobile,
            networks=parse_networks(" ".join(self.networks)),
        )


class PlaceAnswer(_Body):
    """A registered place."""

    place_id: str
    institution: str
    created_by: str
    name: str
    department: str
    latitude: float
    longitude: float
    fence_m: int
    terminal_class: TerminalClass
    scenes: list[str]
    mobile: bool
    networks: list[str]


class InvitationAnswer(_Body):
    """A one-time code, shown this once."""

    terminal_id: str
    place_id: str
    code: str = Field(repr=False)
    expires_at: datetime


class TerminalAnswer(_Body):
    """How an enrolment stands."""

    terminal_id: str
    place_id: str
    institution: str
    state: str
    state_at: datetime
    invited_by: str
    certificate: str | None
    software: str | None
    key_id: str | None
    algorithm: str | None


class ApprovalBody(_Body):
    """The fingerprint that the supervisor compared with the terminal's screen."""

    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class HealthAnswer(_Body):
    """How one terminal fares."""

    state: str
    reasons: list[str]


class HealthLine(HealthAnswer):
    """How one terminal of a list fares."""

    terminal_id: str
    institution: str
    place_id: str
    enrolment: str
    last_beat_at: datetime | None


def terminal_router(services: TerminalServices, *, origin: str) -> APIRouter:
    """Everything that a terminal calls.

    Args:
        services: Of the insurer.
        origin: The listener's canonical origin, which terminals sign; never taken from a header.
    """
    routes = APIRouter(tags=["terminal"])
    routes.include_router(_unsigned_routes(services, origin))
    routes.include_router(_upkeep_routes(services, origin))
    routes.include_router(_business_routes(services, origin))
    return routes


def staff_router(services: TerminalServices, caller: ActorOf) -> APIRouter:
    """Everything that staff call about terminals.

    Args:
        services: Of the insurer.
        caller: Finds who asks and checks that the role allows it.
    """
    routes = APIRouter(prefix="/terminals")
    routes.include_router(_model_routes(services, caller))
    routes.include_router(_place_routes(services, caller))
    routes.include_router(_enrolment_routes(services, caller))
    routes.include_router(_health_routes(services, caller))
    return routes


def signed_routes(services: TerminalServices, *, origin: str) -> APIRouter:
    """An empty router whose routes are business requests: verified before a body is read.

    For the parts above: declare routes on it with a :data:`Verified` parameter, and let
    ``services.requests.check_business`` check scene and claim of the body.
    """
    return APIRouter(
        route_class=_route_class(services.requests, origin, RequestPurpose.BUSINESS),
        tags=["terminal"],
    )


def address_of(scope: Scope) -> str:
    """Address of the connection itself; empty, which no network holds, where there is none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def verified(request: Request) -> VerifiedRequest:
    """The terminal whose signature was verified before the body was read.

    Raises:
        RuntimeError: On a route that does not verify: then nothing is answered.
    """
    found = getattr(request.state, "verified", None)
    if not isinstance(found, VerifiedRequest):
        raise RuntimeError("a signed route without verification")  # noqa: TRY004
    return found


Verified = Annotated[VerifiedRequest, Depends(verified)]
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def _route_class(
    requests: SignedRequests, origin: str, purpose: RequestPurpose | None
) -> type[APIRoute]:
    """A route that lets networks in, bounds bodies and, for a purpose, verifies signatures."""

    class TerminalRoute(APIRoute):
        def get_route_handler(self) -> _Handler:
            answer = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                requests.check_network(address_of(request.scope))
                bounded = Request(request.scope, _bounded(request.receive))
                if purpose is not None:
                    signed = _signed(bounded, origin, await bounded.body())
                    bounded.state.verified = await run_in_threadpool(
                        requests.verify, signed, purpose=purpose
                    )
                return await answer(bounded)

            return guarded

    return TerminalRoute


def _signed(request: Request, origin: str, body: bytes) -> SignedRequest:
    """The request as it came; the target in the bytes in which it came."""
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"]
    target = (path + b"?" + query if query else path).decode("latin-1")
    return SignedRequest(
        method=request.method,
        target_uri=origin + target,
        signature_input=request.headers.getlist("signature-input"),
        signature=request.headers.getlist("signature"),
        content_digest=request.headers.getlist("content-digest"),
        address=address_of(request.scope),
        body=body,
    )


def _bounded(receive: Receive) -> Receive:
    """Ends a request whose body is longer than allowed, whatever length it announced."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > TERMINAL_BODY_BYTES_MAX:
            raise HTTPException(413)
        return message

    return bounded


def _unsigned_routes(services: TerminalServices, origin: str) -> APIRouter:
    """Enrolment and rotation carry their own signatures, by the keys that they are about."""
    routes = APIRouter(route_class=_route_class(services.requests, origin, None))

    @routes.post(ENROLMENT_PATH)
    def enrol(body: EnrolmentBody) -> EnrolmentAnswer:
        """Turn a one-time code into a key that waits for approval."""
        return _enrolment_answer(services.enrolments.enrol(body.request()))

    @routes.post(ROTATION_PATH)
    def rotate(body: RotationBody) -> EnrolmentAnswer:
        """Put a new key in the place of the present one."""
        return _enrolment_answer(services.enrolments.rotate_key(body.request()))

    return routes


def _upkeep_routes(services: TerminalServices, origin: str) -> APIRouter:
    purpose = RequestPurpose.UPKEEP
    routes = APIRouter(route_class=_route_class(services.requests, origin, purpose))

    @routes.post(HEARTBEAT_PATH)
    def heartbeat(body: HeartbeatBody, sender: Verified) -> HeartbeatAnswer:
        """Take a heartbeat and tell the judgement."""
        health = services.heartbeats.beat(sender, body.report())
        return HeartbeatAnswer(state=health.state.value, reasons=_reasons(health))

    return routes


def _business_routes(services: TerminalServices, origin: str) -> APIRouter:
    purpose = RequestPurpose.BUSINESS
    routes = APIRouter(route_class=_route_class(services.requests, origin, purpose))

    @routes.post(WHO_AM_I_PATH)
    def who_am_i(body: WhoAmIBody, sender: Verified) -> WhoAmIAnswer:
        """Check all that a business request is checked for, and tell what is registered."""
        services.requests.check_business(sender, scene=body.scene, claim=body.claim.claim())
        terminal, place = sender.terminal, sender.place
        return WhoAmIAnswer(
            terminal_id=terminal.terminal_id,
            institution=terminal.institution,
            terminal_class=terminal.terminal_class,
            place_id=place.place_id,
            place=place.spec.place.name,
            department=place.spec.place.department,
            scenes=sorted(place.spec.scenes),
        )

    return routes


def _model_routes(services: TerminalServices, caller: ActorOf) -> APIRouter:
    routes = APIRouter(prefix="/models", tags=["terminal models"])
    register, insurer = services.register, _of_insurer(caller)

    @routes.get("", dependencies=[Depends(caller)])
    def models() -> list[ModelAnswer]:
        """Every certified model, withdrawn ones too."""
        return [_model_answer(each) for each in register.models()]

    @routes.post("", status_code=201)
    def add(body: ModelBody, who: Annotated[InsurerStaff, Depends(insurer)]) -> ModelAnswer:
        """Take a certified model into the register."""
        model = CertifiedModel(
            certificate=body.certificate,
            maker=body.maker,
            model=body.model,
            terminal_class=body.terminal_class,
            valid_until=body.valid_until,
            software_min=parse_version(body.software_min),
            software_current=parse_version(body.software_current),
        )
        register.register_model(actor=who, model=model)
        return _model_answer(model)

    @routes.put("/{certificate}/validity", status_code=204)
    def renew(
        certificate: _CertificatePath,
        body: ValidityBody,
        who: Annotated[InsurerStaff, Depends(insurer)],
    ) -> None:
        """Prolong a certificate."""
        register.renew_model(actor=who, certificate=certificate, valid_until=body.valid_until)

    @routes.put("/{certificate}/software", status_code=204)
    def require(
        certificate: _CertificatePath,
        body: SoftwareBody,
        who: Annotated[InsurerStaff, Depends(insurer)],
    ) -> None:
        """Demand newer software."""
        register.require_software(
            actor=who,
            certificate=certificate,
            software_min=parse_version(body.software_min),
            software_current=parse_version(body.software_current),
        )

    @routes.post("/{certificate}/withdrawal", status_code=204)
    def withdraw(
        certificate: _CertificatePath, who: Annotated[InsurerStaff, Depends(insurer)]
    ) -> None:
        """Take a certificate away for good."""
        register.withdraw_model(actor=who, certificate=certificate)

    return routes


def _place_routes(services: TerminalServices, caller: ActorOf) -> APIRouter:
    routes = APIRouter(prefix="/places", tags=["terminal places"])
    enrolments, institution = services.enrolments, _of_institution(caller)

    @routes.get("")
    def places(who: Annotated[Actor, Depends(caller)]) -> list[PlaceAnswer]:
        """The places that the caller may see."""
        return [_place_answer(each) for each in services.register.places(actor=who)]

    @routes.post("", status_code=201)
    def create(
        body: PlaceBody,
        response: Response,
        who: Annotated[InstitutionStaff, Depends(institution)],
    ) -> InvitationAnswer:
        """Make a place and the one-time code for its terminal."""
        return _shown_once(response, [enrolments.create_place(actor=who, spec=body.spec())])[0]

    @routes.post("/list", status_code=201)
    def create_from_list(
        content: Annotated[bytes, Body(media_type="text/csv")],
        response: Response,
        who: Annotated[InstitutionStaff, Depends(institution)],
    ) -> list[InvitationAnswer]:
        """Make the places of a CSV list, all or none, with a code for each."""
        made = enrolments.create_places_from_list(actor=who, content=content)
        return _shown_once(response, made)

    @routes.post("/{place_id}/code", status_code=201)
    def invite(
        place_id: _TerminalPath,
        response: Response,
        who: Annotated[InstitutionStaff, Depends(institution)],
    ) -> InvitationAnswer:
        """A new code for a place without a terminal."""
        made = enrolments.invite(actor=who, place_id=PlaceId(place_id))
        return _shown_once(response, [made])[0]

    return routes


def _enrolment_routes(services: TerminalServices, caller: ActorOf) -> APIRouter:
    routes = APIRouter(prefix="/enrolments", tags=["terminal enrolments"])
    enrolments, insurer = services.enrolments, _of_insurer(caller)

    @routes.get("")
    def listed(who: Annotated[Actor, Depends(caller)]) -> list[TerminalAnswer]:
        """Every terminal that the caller may see."""
        return [_terminal_answer(each) for each in enrolments.enrolments(actor=who)]

    @routes.get("/{terminal_id}")
    def one(terminal_id: _TerminalPath, who: Annotated[Actor, Depends(caller)]) -> TerminalAnswer:
        """How one terminal stands."""
        return _terminal_answer(enrolments.enrolment(actor=who, terminal_id=_id(terminal_id)))

    @routes.post("/{terminal_id}/approval", status_code=204)
    def approve(
        terminal_id: _TerminalPath,
        body: ApprovalBody,
        who: Annotated[InsurerStaff, Depends(insurer)],
    ) -> None:
        """Believe a terminal from now on."""
        enrolments.approve(
            actor=who, terminal_id=_id(terminal_id), expected_key_id=KeyId(body.key_id)
        )

    @routes.post("/{terminal_id}/suspension", status_code=204)
    def suspend(terminal_id: _TerminalPath, who: Annotated[Actor, Depends(caller)]) -> None:
        """Stop believing a terminal for now."""
        enrolments.suspend(actor=who, terminal_id=_id(terminal_id))

    @routes.delete("/{terminal_id}/suspension", status_code=204)
    def resume(terminal_id: _TerminalPath, who: Annotated[InsurerStaff, Depends(insurer)]) -> None:
        """Believe a suspended terminal again."""
        enrolments.resume(actor=who, terminal_id=_id(terminal_id))

    @routes.post("/{terminal_id}/revocation", status_code=204)
    def revoke(terminal_id: _TerminalPath, who: Annotated[Actor, Depends(caller)]) -> None:
        """End a terminal for good."""
        enrolments.revoke(actor=who, terminal_id=_id(terminal_id))

    return routes


def _health_routes(services: TerminalServices, caller: ActorOf) -> APIRouter:
    routes = APIRouter(prefix="/health", tags=["terminal health"])
    heartbeats, insurer = services.heartbeats, _of_insurer(caller)

    @routes.get("")
    def all_health(who: Annotated[Actor, Depends(caller)]) -> list[HealthLine]:
        """How the terminals fare that the caller may see."""
        return [
            HealthLine(
                terminal_id=each.terminal_id,
                institution=each.institution,
                place_id=each.place_id,
                enrolment=each.enrolment.value,
                state=each.health.state.value,
                reasons=_reasons(each.health),
                last_beat_at=each.last_beat_at,
            )
            for each in heartbeats.all_health(actor=who)
        ]

    @routes.get("/{terminal_id}")
    def health(terminal_id: _TerminalPath, who: Annotated[Actor, Depends(caller)]) -> HealthAnswer:
        """How one terminal fares."""
        found = heartbeats.health(actor=who, terminal_id=_id(terminal_id))
        return HealthAnswer(state=found.state.value, reasons=_reasons(found))

    @routes.delete("/{terminal_id}/tamper", status_code=204)
    def clear_tamper(
        terminal_id: _TerminalPath, who: Annotated[InsurerStaff, Depends(insurer)]
    ) -> None:
        """Note that somebody looked at a terminal that had reported tampering."""
        heartbeats.clear_tamper(actor=who, terminal_id=_id(terminal_id))

    return routes


def _of_insurer(caller: ActorOf) -> Callable[[Actor], InsurerStaff]:
    def insurer(who: Annotated[Actor, Depends(caller)]) -> InsurerStaff:
        if not isinstance(who, InsurerStaff):
            raise Refused(WRONG_SIDE)
        return who

    return insurer


def _of_institution(caller: ActorOf) -> Callable[[Actor], InstitutionStaff]:
    def institution(who: Annotated[Actor, Depends(caller)]) -> InstitutionStaff:
        if not isinstance(who, InstitutionStaff):
            raise Refused(WRONG_SIDE)
        return who

    return institution


def _id(number: str) -> TerminalId:
    return TerminalId(number)


def _reasons(health: Health) -> list[str]:
    return [reason.value for reason in health.reasons]


def _enrolment_answer(enrolment: Enrolment) -> EnrolmentAnswer:
    return EnrolmentAnswer(
        terminal_id=enrolment.terminal_id,
        place_id=enrolment.place_id,
        state=enrolment.state.value,
    )


def _model_answer(model: CertifiedModel) -> ModelAnswer:
    return ModelAnswer(
        certificate=model.certificate,
        maker=model.maker,
        model=model.model,
        terminal_class=model.terminal_class,
        valid_until=model.valid_until,
        software_min=version_text(model.software_min),
        software_current=version_text(model.software_current),
        withdrawn_at=model.withdrawn_at,
    )


def _place_answer(place: RegisteredPlace) -> PlaceAnswer:
    spec = place.spec
    return PlaceAnswer(
        place_id=place.place_id,
        institution=place.institution,
        created_by=place.created_by,
        name=spec.place.name,
        department=spec.place.department,
        latitude=spec.coordinates.latitude,
        longitude=spec.coordinates.longitude,
        fence_m=spec.fence_m,
        terminal_class=spec.terminal_class,
        scenes=sorted(spec.scenes),
        mobile=spec.mobile,
        networks=[str(network) for network in spec.networks],
    )


def _shown_once(response: Response, made: Iterable[Invitation]) -> list[InvitationAnswer]:
    response.headers["Cache-Control"] = "no-store"
    return [
        InvitationAnswer(
            terminal_id=each.terminal_id,
            place_id=each.place_id,
            code=each.code.text,
            expires_at=each.expires_at,
        )
        for each in made
    ]


def _terminal_answer(enrolment: Enrolment) -> TerminalAnswer:
    return TerminalAnswer(
        terminal_id=enrolment.terminal_id,
        place_id=enrolment.place_id,
        institution=enrolment.institution,
        state=enrolment.state.value,
        state_at=enrolment.state_at,
        invited_by=enrolment.invited_by,
        certificate=enrolment.certificate,
        software=None if enrolment.software is None else version_text(enrolment.software),
        key_id=enrolment.key_id,
        algorithm=enrolment.algorithm,
    )
