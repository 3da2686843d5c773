"""The stand-in over HTTP: the registry's protocol, the page, and what the page calls.

The page and its calls belong to whoever sits at this machine: the server listens on loopback only,
and a page of another origin in the same browser is refused.
"""

from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.face.calibration import OperatingPoint
from shualian.face.model import Hint
from shualian.gateway.police_registry.model import (
    COMPARISON_PATH,
    INTRODUCTION_PATH,
    PICTURE_BYTES_MAX,
    REQUEST_BYTES_MAX,
    ComparisonAnswer,
    ComparisonBody,
    Introduction,
    parse_public_key,
    picture_bytes,
    public_key_text,
)
from shualian.sandbox.police_registry.model import (
    PAGE_FOREIGN,
    STAND_IN_EN,
    STAND_IN_HEADER,
    STAND_IN_ZH,
    Fault,
    FaultKind,
    Listed,
    Look,
    fictional_number,
)
from shualian.sandbox.police_registry.service import StandInRegistry
from shualian.terminals.requests.model import SignedRequest
from shualian.web.application import StandIn, build_listener
from shualian.web.problems import problem

_HERE = frozenset(("127.0.0.1", "localhost"))
_PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}

_Picture = Annotated[
    str, StringConstraints(max_length=PICTURE_BYTES_MAX * 4 // 3 + 4, pattern=r"^[A-Za-z0-9+/]+=*$")
]
_Text = Annotated[str, StringConstraints(max_length=100)]
_Reference = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class LookBody(_Body):
    """A picture to look at; nothing of it is kept."""

    picture: _Picture = Field(repr=False)


class WordsAnswer(_Body):
    """One sentence in two languages."""

    zh: str
    en: str


class LookAnswer(_Body):
    """What a picture is worth as a registry photo."""

    usable: bool
    hint: Hint
    words: WordsAnswer

    @classmethod
    def made(cls, look: Look) -> "LookAnswer":
        """As the page shows it."""
        words = WordsAnswer(zh=look.words.zh, en=look.words.en)
        return cls(usable=look.usable, hint=look.hint, words=words)


class PersonBody(_Body):
    """A fictional person to put in; without a picture there is none at the registry."""

    id_number: _Text = Field(repr=False)
    name: _Text = Field(repr=False)
    picture: _Picture | None = Field(default=None, repr=False)
    poor_allowed: bool = False


class PersonAnswer(_Body):
    """A person as the page shows them, masked."""

    reference: str
    masked_name: str
    masked_id_number: str
    usable: bool
    hours_left: int

    @classmethod
    def made(cls, one: Listed) -> "PersonAnswer":
        """As the page shows it."""
        return cls(**{name: getattr(one, name) for name in one.__slots__})


class PeopleAnswer(_Body):
    """Everybody in the stand-in, the newest first."""

    stand_in: str = STAND_IN_ZH
    people: list[PersonAnswer]


class NumberAnswer(_Body):
    """A fictional ID number."""

    id_number: str = Field(repr=False)


class FaultBody(_Body):
    """What goes wrong with comparisons."""

    kind: FaultKind
    delay_s: float = Field(default=0.0, ge=0, le=60, description="For slow, seconds")


class PointAnswer(_Body):
    """At which error rate the stand-in compares, and on what data that is proven."""

    fmr: float
    fmr_upper95: float
    fnmr: float
    threshold: float
    data: str
    proven_for_population: bool


def build_stand_in(registry: StandInRegistry) -> ASGIApp:
    """The whole application; run it on loopback only."""
    listener = build_listener(
        "police-registry stand-in",
        routers=[_protocol(registry), _page(), _desk(registry)],
        mode=Mode.SANDBOX,
        stand_ins=[StandIn("police_registry", STAND_IN_ZH, STAND_IN_EN)],
        body_bytes_max=REQUEST_BYTES_MAX,
    )
    return _Door(listener, registry)


def own_page(request: Request) -> None:
    """Refuse what a page of another origin sends from this machine's browser.

    Raises:
        Refused: ``sandbox.registry_page_foreign``.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if (origin is not None and origin != own) or site not in {"same-origin", "none"}:
        raise Refused(PAGE_FOREIGN)


class _Door:
    """Outermost: marks every response, knows its own names, and cuts answers on purpose."""

    def __init__(self, app: ASGIApp, registry: StandInRegistry) -> None:
        self._app = app
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        marked = _marked(send)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not _is_addressed_here(Request(scope)):
            # A name that was made to point here (DNS rebinding) is nobody's own page.
            await problem(Request(scope), Refused(PAGE_FOREIGN))(scope, receive, marked)
        elif scope["path"] == COMPARISON_PATH:
            await self._app(scope, receive, _cut(marked, self._is_cut))
        else:
            await self._app(scope, receive, marked)

    def _is_cut(self) -> bool:
        return self._registry.faults.current.kind is FaultKind.CUT


def _marked(send: Send) -> Send:
    async def mark(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[STAND_IN_HEADER] = "police-registry"
            for name, value in _SECURITY.items():
                headers[name] = value
        await send(message)

    return mark


def _cut(send: Send, is_cut: Callable[[], bool]) -> Send:
    """Sends half of an answer and no end: the server then closes the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body" and is_cut():
            half = message.get("body", b"")
            await send({**message, "body": half[: len(half) // 2], "more_body": True})
            return
        await send(message)

    return cut


def _is_addressed_here(request: Request) -> bool:
    return urlsplit(f"//{request.headers.get('host', '')}").hostname in _HERE


def _protocol(registry: StandInRegistry) -> APIRouter:
    routes = APIRouter(tags=["registry"])

    async def comparisons(request: Request) -> Response:
        """Compare a live picture with the registered photo of one person (1:1).

        Signed by the platform (RFC 9421); the answer is signed by the registry and bound to the
        request. The same request again gets the same answer.
        """
        signed = _signed_request(request, await request.body(), registry.origin)
        answer = await run_in_threadpool(registry.answer, signed)
        return Response(answer.content, media_type="application/json", headers=dict(answer.headers))

    content = {"application/json": {"schema": ComparisonBody.model_json_schema()}}
    routes.add_api_route(
        COMPARISON_PATH,
        comparisons,
        methods=["POST"],
        response_model=None,
        responses={200: {"model": ComparisonAnswer, "description": _described(registry.point)}},
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )

    def introduction(body: Introduction) -> Introduction:
        """Exchange public keys with a platform on this machine; only a stand-in does that."""
        registry.admit(parse_public_key(body.public_key))
        return Introduction(public_key=public_key_text(registry.public_key))

    routes.add_api_route(
        INTRODUCTION_PATH, introduction, methods=["POST"], dependencies=[Depends(own_page)]
    )
    return routes


def _page() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    folder = resources.files("shualian.sandbox.police_registry") / "page"
    for path, (name, media_type) in _PAGE_FILES.items():
        content = (folder / name).read_bytes()
        routes.add_api_route(path, _file(content, media_type), response_model=None)
    return routes


def _file(content: bytes, media_type: str) -> Callable[[], Response]:
    def file() -> Response:
        return Response(content, media_type=media_type)

    return file


def _desk(registry: StandInRegistry) -> APIRouter:
    routes = APIRouter(prefix="/desk/v1", tags=["desk"], dependencies=[Depends(own_page)])

    @routes.post("/look")
    def look(body: LookBody) -> LookAnswer:
        """Look at a picture; nothing of it is kept."""
        return LookAnswer.made(registry.look(picture_bytes(body.picture)))

    @routes.post("/people", status_code=HTTPStatus.CREATED)
    def put(body: PersonBody) -> PersonAnswer:
        """Put a fictional person in; gone after 24 hours."""
        if body.picture is None:
            return PersonAnswer.made(registry.put_person(body.id_number, body.name))
        picture = picture_bytes(body.picture)
        return PersonAnswer.made(
            registry.put_photo(body.id_number, body.name, picture, poor_allowed=body.poor_allowed)
        )

    @routes.get("/people")
    def people() -> PeopleAnswer:
        """Everybody, masked."""
        return PeopleAnswer(people=[PersonAnswer.made(one) for one in registry.people()])

    @routes.delete("/people/{reference}", status_code=HTTPStatus.NO_CONTENT)
    def delete(reference: _Reference) -> None:
        """Delete one person at once."""
        registry.delete(reference)

    @routes.get("/number")
    def number() -> NumberAnswer:
        """A new fictional number."""
        return NumberAnswer(id_number=fictional_number())

    @routes.get("/point")
    def point() -> PointAnswer:
        """At which error rate the stand-in compares."""
        return PointAnswer(
            fmr=registry.point.fmr,
            fmr_upper95=round(registry.point.fmr_upper95, 6),
            fnmr=round(registry.point.fnmr, 6),
            threshold=registry.point.threshold,
            data=registry.point.data,
            proven_for_population=registry.point.proven_for_population,
        )

    @routes.get("/fault")
    def fault() -> FaultBody:
        """What goes wrong now."""
        current = registry.faults.current
        return FaultBody(kind=current.kind, delay_s=current.delay_s)

    @routes.put("/fault")
    def turn(body: FaultBody) -> FaultBody:
        """Let something go wrong, or mend it."""
        registry.faults.set(Fault(body.kind, body.delay_s))
        return body

    return routes


def _signed_request(request: Request, body: bytes, origin: str) -> SignedRequest:
    query = request.scope["query_string"].decode("latin-1")
    target = origin + request.scope["path"] + (f"?{query}" if query else "")
    return SignedRequest(
        method=request.method,
        target_uri=target,
        signature_input=request.headers.getlist("signature-input"),
        signature=request.headers.getlist("signature"),
        content_digest=request.headers.getlist("content-digest"),
        address=request.client.host if request.client else "",
        body=body,
    )


def _described(point: OperatingPoint) -> str:
    proven = "" if point.proven_for_population else ", not proven for this population"
    return (
        f"The verdict of a stand-in. It compares with the real face engine: a match from a score "
        f"of {point.threshold}, false match rate asked for {point.fmr:g}, at most "
        f"{point.fmr_upper95:.6f} with 95 % confidence{proven}, {point.fnmr:.1%} of right people "
        f"not matched; data: {point.data}."
    )
