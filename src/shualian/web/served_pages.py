"""The built pages: files of the package, served with a policy that lets in nothing from outside.

``make pages`` (or the build of the wheel) puts them into :func:`packaged_pages`; a listener without
them answers with the command that makes them.
"""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.insurer.consents.ports import InstitutionNames
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.service import TerminalServices

WELCOME_PATH = "/terminal/v1/welcome"
"""POST a claim of the place, signed, purpose business; answers :class:`WelcomeAnswer`."""
HOSPITAL_PREFIX = "/terminal/v1/hospital/"

PAGES_MISSING = RefusalKind(
    code="web.pages_missing",
    zh="网页还没有生成",
    en="The pages were not built",
    next_zh="在源码目录运行 make pages",
    next_en="Run `make pages` in the sources",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
PAGE_NOT_FOUND = RefusalKind(
    code="web.page_not_found",
    zh="没有这个页面",
    en="There is no such page",
    next_zh="请检查地址",
    next_en="Check the address",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
REFUSALS = (PAGES_MISSING, PAGE_NOT_FOUND)

_INDEX = "index.html"
_HASHED = "assets/"
"""Vite puts the hash of its content into the name of every file below, so none ever changes."""
_FOREVER = "public, max-age=31536000, immutable"
_ALWAYS_ASKED = "no-cache"
_TYPES = {".opus": "audio/ogg", ".js": "text/javascript", ".svg": "image/svg+xml"}
_TEXT = ("text/", "image/svg")


class WelcomeAnswer(BaseModel):
    """What a terminal shows about itself.

    Attributes:
        terminal_id: Its number.
        institution: Code of whose it is.
        institution_name: As people call it; empty when the register does not know.
        place: Name of its place.
        department: Where the place is.
        terminal_class: Of its model.
        scenes: What may be done at the place.
        subjects: What the hospital of this listener offers at terminals; empty without a hospital.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    terminal_id: str
    institution: str
    institution_name: str
    place: str
    department: str
    terminal_class: str
    scenes: list[str]
    subjects: list[str]


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is answered.

    Attributes:
        content: All of it; the pages are small.
        media_type: With the character set.
        tag: Of this content (RFC 9110, 8.8.3).
        cache: Value of Cache-Control.
    """

    content: bytes
    media_type: str
    tag: str
    cache: str


def packaged_pages() -> Traversable:
    """The folder of the built pages, one folder for each entry; it need not be there."""
    return files("shualian.web") / "pages"


def load_pages(entry: Traversable) -> Mapping[str, PageFile]:
    """Every file of an entry by its path; nothing when it was not built."""
    forbid_in_transaction("reading pages")
    if not entry.is_dir():
        return {}
    return {path: _page_file(path, content) for path, content in _walk(entry, "")}


def page_routes(
    prefix: str,
    pages: Mapping[str, PageFile],
    *,
    origin: str,
    camera: bool = False,
    about: Mapping[str, object] | None = None,
) -> APIRouter:
    """The pages of one entry, and what they must know of this listener.

    Args:
        prefix: ``/kiosk`` or ``/staff``, the base address that the pages were built for.
        pages: Of :func:`load_pages`.
        origin: Canonical origin of the listener, which terminals sign.
        camera: Whether these pages may ask for the camera.
        about: What else the pages are told before anybody signs in; names nobody.
    """
    routes = APIRouter(prefix=prefix, include_in_schema=False)
    headers = _headers(origin, camera=camera)

    @routes.get("")
    def without_slash() -> RedirectResponse:
        """The base address ends with a slash."""
        return RedirectResponse(f"{prefix}/", status_code=308)

    @routes.get("/settings.json")
    def settings() -> dict[str, object]:
        """What is configured and not built in."""
        return {"origin": origin, **(about or {})}

    @routes.api_route("/{path:path}", methods=["GET", "HEAD"])
    def page(path: str, request: Request) -> Response:
        """A file of the pages."""
        if not pages:
            raise Refused(PAGES_MISSING)
        found = pages.get(path or _INDEX)
        if found is None:
            raise Refused(PAGE_NOT_FOUND)
        answered = {**headers, "cache-control": found.cache, "etag": found.tag}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=answered)
        return Response(found.content, media_type=found.media_type, headers=answered)

    return routes


def welcome_routes(
    terminals: TerminalServices, institutions: InstitutionNames, *, origin: str
) -> APIRouter:
    """What a terminal asks once about itself.

    Args:
        terminals: Verify the request.
        institutions: Name its institution.
        origin: The listener's canonical origin.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)

    @routes.post(WELCOME_PATH)
    def welcome(body: ClaimBody, sender: terminals_api.Verified, request: Request) -> WelcomeAnswer:
        """The terminal as the register knows it, and what may be done here."""
        place, terminal = sender.place, sender.terminal
        scenes = sorted(place.spec.scenes)
        terminals.requests.check_business(sender, scene=scenes[0], claim=body.claim())
        return WelcomeAnswer(
            terminal_id=terminal.terminal_id,
            institution=terminal.institution,
            institution_name=institutions.name(terminal.institution) or "",
            place=terminal.place.name,
            department=terminal.place.department,
            terminal_class=terminal.terminal_class.value,
            scenes=scenes,
            subjects=_subjects(request),
        )

    return routes


def _subjects(request: Request) -> list[str]:
    """What the listener's own document names below the hospital's prefix."""
    paths = request.app.openapi()["paths"]
    tails = (path.removeprefix(HOSPITAL_PREFIX) for path in paths if HOSPITAL_PREFIX in path)
    return sorted({tail.split("/")[0] for tail in tails})


def _headers(origin: str, *, camera: bool) -> Mapping[str, str]:
    socket_origin = origin.replace("http", "ws", 1)
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "font-src 'self'",
        f"connect-src 'self' {socket_origin}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    allowed = "camera=(self)" if camera else "camera=()"
    return {
        "content-security-policy": "; ".join(policy),
        "permissions-policy": f"{allowed}, microphone=(), geolocation=(), usb=(), payment=()",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{path}/")
        else:
            found.append((path, entry.read_bytes()))
    return found


def _page_file(path: str, content: bytes) -> PageFile:
    suffix = path[path.rfind(".") :]
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    if media_type.startswith(_TEXT):
        media_type = f"{media_type}; charset=utf-8"
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    cache = _FOREVER if path.startswith(_HASHED) else _ALWAYS_ASKED
    return PageFile(content, media_type, tag, cache)
