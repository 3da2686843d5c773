"""The two listeners: one that terminals reach, one that staff reach, and nothing of both."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from shualian.assembly import HospitalSide, InsurerSide
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.staff import api as staff_api
from shualian.staff.model import Caller, Role, check_role
from shualian.staff.service import StaffServices
from shualian.terminals import api as terminals_api
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.web.application import StandIn, build_listener
from shualian.web.problems import MEDIA_TYPE, problem

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "message", "next", "helper", "finality"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "request_id": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "object"},
        "next": {"type": "object"},
        "helper": {"type": "string"},
        "finality": {"enum": ["final", "temporary", "unknown"]},
        "details": {"type": "object"},
    },
}
"""A refusal, as every route may answer it (RFC 9457)."""

_PROBLEM = {"description": "Refused", "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}}
_SAFE = frozenset(("GET", "HEAD"))
_DECIDING = frozenset((Role.ADMINISTRATOR, Role.SUPERVISOR))
_LOOKING = _DECIDING | {Role.TECHNICIAN, Role.OPERATOR}


def build_terminal_listener(
    insurer: InsurerSide, settings: Settings, *, stand_ins: Sequence[StandIn] = ()
) -> FastAPI:
    """What terminals reach: enrolment, key, heartbeat, business; from allowed networks only.

    Run it without trust in forwarded addresses, unless the operator's own proxy stands before it.

    Args:
        insurer: Verifies and keeps.
        settings: The canonical origin.
        stand_ins: Beside those that follow from mode and settings.
    """
    routes = terminals_api.terminal_router(insurer.terminals, origin=settings.terminal_origin)
    listener = build_listener(
        "terminal",
        routers=[_documented(routes)],
        mode=insurer.mode,
        stand_ins=[*_stand_ins(insurer.mode, settings), *stand_ins],
        body_bytes_max=terminals_api.TERMINAL_BODY_BYTES_MAX,
    )
    # Innermost: after request id and log, before any route, body, health or metrics.
    check = insurer.terminals.requests.check_network
    listener.user_middleware.append(Middleware(NetworkGate, check=check))
    return listener


def build_staff_listener(
    insurer: InsurerSide,
    settings: Settings,
    *,
    hospital: HospitalSide | None = None,
    stand_ins: Sequence[StandIn] = (),
) -> FastAPI:
    """What staff reach in a browser: sign-in and accounts of each side, and terminals.

    Args:
        insurer: Its staff under ``/insurer/staff``; terminals under ``/terminals``.
        settings: For the stand-ins.
        hospital: Its staff under ``/hospital/staff``; they then act on their own terminals.
        stand_ins: Beside those that follow from mode and settings.
    """
    party = insurer.staff.party
    insurer_cookie = staff_api.cookie_name(party, Side.INSURER)
    caller = insurer_caller = staff_api.session_caller(insurer.staff, insurer_cookie)
    routers = [_staff(insurer.staff, insurer_caller, insurer_cookie, Side.INSURER)]
    if hospital is not None:
        cookie = staff_api.cookie_name(party, Side.HOSPITAL)
        own = staff_api.session_caller(hospital.staff, cookie)
        # A supervisor approves the first administrators of a hospital.
        caller = staff_api.either(own, insurer_caller)
        routers.append(_staff(hospital.staff, caller, cookie, Side.HOSPITAL))
    same_origin = [Depends(staff_api.own_origin(party))]
    terminals = APIRouter(dependencies=same_origin)
    terminals.include_router(terminals_api.staff_router(insurer.terminals, actor_of(caller)))
    return build_listener(
        "staff",
        routers=[*routers, _documented(terminals)],
        mode=insurer.mode,
        stand_ins=[*_stand_ins(insurer.mode, settings), *stand_ins],
    )


def actor_of(caller: Callable[[Request], Caller]) -> terminals_api.ActorOf:
    """Who asks about terminals, from who is signed in.

    Administrators and supervisors decide; technicians and operators only look.
    """

    def actor(request: Request) -> Actor:
        who = caller(request)
        check_role(who, _LOOKING if request.method in _SAFE else _DECIDING)
        if who.employer.institution is None:
            return InsurerStaff(who.staff_id)
        return InstitutionStaff(who.staff_id, who.employer.institution)

    return actor


class NetworkGate:
    """Refuses connections from networks that are not allowed, before anything of them is read."""

    def __init__(self, app: ASGIApp, *, check: Callable[[str], None]) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass; a WebSocket is closed before it is accepted."""
        try:
            if scope["type"] in {"http", "websocket"}:
                self._check(terminals_api.address_of(scope))
        except Refused as refused:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await problem(Request(scope), refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _documented(routes: APIRouter) -> APIRouter:
    """The routes, with what a refusal looks like in the OpenAPI document."""
    documented = APIRouter(responses={"default": _PROBLEM})
    documented.include_router(routes)
    return documented


def _staff(
    services: StaffServices, caller: staff_api.CallerOf, cookie: str, side: Side
) -> APIRouter:
    routes = APIRouter(prefix=f"/{side.value}/staff")
    routes.include_router(staff_api.router(services, caller, cookie=cookie))
    return _documented(routes)


def _stand_ins(mode: Mode, settings: Settings) -> list[StandIn]:
    found = []
    if mode is Mode.SANDBOX:
        found += [
            StandIn("terminal", "可以登记模拟终端", "simulated terminals may enrol"),
            StandIn("keys", "开发密钥（替身）", "development keys (stand-in)"),
        ]
    if settings.audit_checkpoints_dir is None:
        words = "审计检查点和数据库放在同一处（替身）"
        english = "audit checkpoints lie beside the database (stand-in)"
        found.append(StandIn("audit_second_place", words, english))
    return found
