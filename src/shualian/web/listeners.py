"""The two listeners: one that terminals reach, one that staff reach, and nothing of both."""

from collections.abc import Callable, Collection, Sequence

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from shualian.assembly import HospitalSide, InsurerSide
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.gateway.ewallet import api as ewallet_api
from shualian.gateway.ewallet.service import EWalletClient
from shualian.insurer.accesses import api as accesses_api
from shualian.insurer.assessment import api as assessment_api
from shualian.insurer.channels import api as channels_api
from shualian.insurer.consents import api as consents_api
from shualian.insurer.family import api as family_api
from shualian.insurer.messages import api as messages_api
from shualian.insurer.supervision.alerts import api as alerts_api
from shualian.insurer.supervision.signins import api as signins_api
from shualian.insurer.supervision.wardchecks import api as wardchecks_api
from shualian.insurer.templates import api as templates_api
from shualian.insurer.vouchers import api as vouchers_api
from shualian.staff import api as staff_api
from shualian.staff.model import Caller, Role, check_role
from shualian.staff.passkeys.model import RelyingParty
from shualian.staff.service import StaffServices
from shualian.terminals import api as terminals_api
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.verification import api as verification_api
from shualian.verification.emergency import api as emergency_api
from shualian.verification.expectations import api as expectations_api
from shualian.verification.failures import api as failures_api
from shualian.web.application import StandIn, build_listener
from shualian.web.hospital_rooms import staff_rooms, terminal_rooms
from shualian.web.problems import MEDIA_TYPE, problem
from shualian.web.served_pages import load_pages, packaged_pages, page_routes, welcome_routes

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
_BESIDE_TERMINALS = _LOOKING | {Role.CLERK, Role.DOCTOR, Role.NURSE, Role.PHARMACIST}
"""Who says which terminal stands beside them."""
_AT_THE_WINDOW = _DECIDING | {Role.CLERK, Role.OPERATOR}
_TREATING = frozenset((Role.DOCTOR, Role.NURSE, Role.SUPERVISOR))
_RECEIVING = frozenset((Role.CLERK, Role.DOCTOR, Role.NURSE, Role.TECHNICIAN, Role.ADMINISTRATOR))
_SUPERVISING = frozenset((Role.SUPERVISOR,))
_NURSING = frozenset((Role.NURSE, Role.DOCTOR, Role.ADMINISTRATOR))


def build_terminal_listener(
    insurer: InsurerSide,
    settings: Settings,
    *,
    hospital: HospitalSide | None = None,
    stand_ins: Sequence[StandIn] = (),
) -> FastAPI:
    """What terminals reach: enrolment, key, heartbeat, captures, people's own acts.

    From allowed networks only. A hospital's terminals have a listener of their own with its
    business beside, so that a page of theirs has one origin.

    Run it without trust in forwarded addresses, unless the operator's own proxy stands before it.

    Args:
        insurer: Verifies and keeps.
        settings: The canonical origin of terminals that belong to no hospital here.
        hospital: Whose business its terminals reach, at its own origin.
        stand_ins: Beside those that follow from mode and settings.

    Raises:
        Refused: ``insurer.notice_differs``: no camera runs under a notice that is not true;
            ``insurer.assessment_missing``: nor, in production, before its impact was assessed.
    """
    insurer.check_notice()
    if insurer.mode is Mode.PRODUCTION:
        insurer.assessments.check_assessed()
    origin = settings.terminal_origin if hospital is None else hospital.settings.terminal_origin
    routes = (
        terminals_api.terminal_router(insurer.terminals, origin=origin),
        verification_api.terminal_routes(insurer.captures, insurer.terminals, origin=origin),
        failures_api.terminal_routes(),
        welcome_routes(insurer.terminals, insurer.institution_names, origin=origin),
        *_own_acts(insurer, settings, origin),
        *_supervised_acts(insurer, origin),
        *(() if hospital is None else terminal_rooms(hospital, insurer.terminals, origin=origin)),
    )
    kiosk = load_pages(packaged_pages() / "kiosk")
    pages = page_routes("/kiosk", kiosk, origin=origin, camera=True)
    listener = build_listener(
        "terminal",
        routers=[*(_documented(each) for each in routes), pages],
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
    hospitals: Sequence[HospitalSide] = (),
    stand_ins: Sequence[StandIn] = (),
) -> FastAPI:
    """What the insurer's staff reach in a browser: sign-in, accounts, terminals, windows.

    Args:
        insurer: Its staff under ``/insurer/staff``; terminals under ``/terminals``.
        settings: For the stand-ins.
        hospitals: Under ``/hospitals/{code}/staff`` supervisors approve first administrators.
        stand_ins: Beside those that follow from mode and settings.
    """
    party = insurer.staff.party
    cookie = staff_api.cookie_name(party, Side.INSURER)
    caller = staff_api.session_caller(insurer.staff, cookie)
    accounts = [_accounts(each, caller, party) for each in hospitals]
    return build_listener(
        "staff",
        routers=[
            _staff(insurer.staff, caller, cookie, Side.INSURER),
            *accounts,
            _desks(insurer, caller, party),
            _staff_pages(party, insurer.mode, settings, hospitals=hospitals),
        ],
        mode=insurer.mode,
        stand_ins=[*_stand_ins(insurer.mode, settings), *stand_ins],
    )


def build_hospital_listener(
    hospital: HospitalSide,
    insurer: InsurerSide,
    settings: Settings,
    *,
    stand_ins: Sequence[StandIn] = (),
) -> FastAPI:
    """What a hospital's staff reach in a browser: sign-in, accounts, own terminals, windows.

    Args:
        hospital: Its staff under ``/hospital/staff``.
        insurer: Whose windows they serve, for their own institution only.
        settings: For the stand-ins.
        stand_ins: Beside those that follow from mode and settings.
    """
    party = hospital.staff.party
    cookie = staff_api.cookie_name(party, f"{Side.HOSPITAL}_{hospital.institution}")
    caller = staff_api.session_caller(hospital.staff, cookie)
    return build_listener(
        f"hospital-{hospital.institution.lower()}",
        routers=[
            _staff(hospital.staff, caller, cookie, Side.HOSPITAL),
            _desks(insurer, caller, party),
            _rooms(hospital, caller, party),
            _staff_pages(party, insurer.mode, settings, hospital=hospital),
        ],
        mode=insurer.mode,
        stand_ins=[*_stand_ins(insurer.mode, settings), *stand_ins],
    )


def _staff_pages(
    party: RelyingParty,
    mode: Mode,
    settings: Settings,
    *,
    hospital: HospitalSide | None = None,
    hospitals: Sequence[HospitalSide] = (),
) -> APIRouter:
    """The staff pages, which are told on whose listener they are."""
    about = {
        "side": Side.INSURER.value if hospital is None else Side.HOSPITAL.value,
        "sandbox": mode is Mode.SANDBOX,
        "institution": None if hospital is None else _named(hospital),
        "hospitals": [_named(each) for each in hospitals],
        "stand_ins": _knobs(settings) if mode is Mode.SANDBOX else {},
    }
    pages = load_pages(packaged_pages() / "staff")
    return page_routes("/staff", pages, origin=party.origin, camera=True, about=about)


def _named(hospital: HospitalSide) -> dict[str, str]:
    own = hospital.settings
    return {"code": own.code, "zh": own.name, "en": own.name_en or own.name}


def _knobs(settings: Settings) -> dict[str, str]:
    """Where the stand-ins run."""
    found = {"police_registry": settings.registry_url, "e_wallet": settings.ewallet_url}
    return {name: str(url) for name, url in found.items() if url is not None}


def _rooms(
    hospital: HospitalSide, caller: Callable[[Request], Caller], party: RelyingParty
) -> APIRouter:
    """The hospital's rooms, for pages of this origin."""
    rooms = APIRouter(dependencies=[Depends(staff_api.own_origin(party))])
    for room in staff_rooms(hospital, caller):
        rooms.include_router(room)
    return _documented(rooms)


def _desks(
    insurer: InsurerSide, caller: Callable[[Request], Caller], party: RelyingParty
) -> APIRouter:
    """Terminals and windows, for pages of this origin."""
    desks = APIRouter(dependencies=[Depends(staff_api.own_origin(party))])
    beside = actor_of(caller, looking=_BESIDE_TERMINALS)
    desks.include_router(terminals_api.staff_router(insurer.terminals, beside))
    for desk in _windows(insurer, caller):
        desks.include_router(desk)
    return _documented(desks)


def build_channel_listener(
    insurer: InsurerSide, settings: Settings, *, stand_ins: Sequence[StandIn] = ()
) -> FastAPI:
    """What certified channels reach: activations, codes, messages, withdrawals; each signed.

    Args:
        insurer: Verifies and keeps.
        settings: The canonical origin.
        stand_ins: Beside those that follow from mode and settings.
    """
    insured = insurer.insured
    routes = channels_api.channel_routes(
        insured.channels,
        insured.channel_activations,
        insured.vouchers,
        clock=insurer.clock,
        origin=settings.channel_origin,
    )
    messages = messages_api.channel_routes(
        insured.channels,
        insurer.messages,
        insured.vouchers,
        insured.channel_activations,
        origin=settings.channel_origin,
    )
    withdrawals = consents_api.channel_routes(
        insured.channels,
        insured.consents,
        insured.vouchers,
        insured.channel_activations,
        origin=settings.channel_origin,
    )
    return build_listener(
        "channel",
        routers=[_documented(each) for each in (routes, messages, withdrawals)],
        mode=insurer.mode,
        stand_ins=[*_stand_ins(insurer.mode, settings), *stand_ins],
    )


def build_hospital_news_listener(
    hospital: HospitalSide, settings: Settings, *, stand_ins: Sequence[StandIn] = ()
) -> FastAPI | None:
    """What the e-wallet reaches: its signed news of payments; none where no wallet is set up.

    Args:
        hospital: Whose payments are told.
        settings: For the stand-ins.
        stand_ins: Beside those that follow from mode and settings.
    """
    origin = hospital.settings.wallet_news_origin
    if origin is None or not isinstance(hospital.wallet, EWalletClient):
        return None
    routes = ewallet_api.notification_routes(
        hospital.payments,
        key=hospital.wallet.key,
        merchant=hospital.institution,
        origin=origin,
        clock=hospital.clock,
        mode=hospital.mode,
    )
    return build_listener(
        "wallet news",
        routers=[_documented(routes)],
        mode=hospital.mode,
        stand_ins=[*_stand_ins(hospital.mode, settings), *stand_ins],
    )


def _own_acts(insurer: InsurerSide, settings: Settings, origin: str) -> Sequence[APIRouter]:
    """What people do at a terminal for themselves, proven by their face."""
    insured, terminals, proofs = insurer.insured, insurer.terminals, insurer.verification
    clock = insurer.clock
    return (
        consents_api.terminal_routes(
            terminals,
            insured.consents,
            proofs,
            notices=insured.notices,
            people=insured.persons,
            institutions=insurer.institution_names,
            settings=settings,
            clock=clock,
            origin=origin,
        ),
        templates_api.terminal_routes(terminals, insured.templates, proofs, origin=origin),
        vouchers_api.terminal_routes(
            terminals,
            vouchers=insured.vouchers,
            pins=insured.pins,
            confirmations=proofs,
            clock=clock,
            origin=origin,
        ),
        family_api.terminal_routes(terminals, insured.family, proofs, clock=clock, origin=origin),
        messages_api.terminal_routes(
            terminals,
            insurer.messages,
            proofs,
            guardians=insured.consents,
            people=insured.persons,
            clock=clock,
            origin=origin,
        ),
        accesses_api.terminal_routes(
            terminals, insurer.accesses, proofs, insured.persons, clock=clock, origin=origin
        ),
    )


def _supervised_acts(insurer: InsurerSide, origin: str) -> Sequence[APIRouter]:
    """Doctors who sign in and patients in their beds, at terminals."""
    supervision, limits = insurer.supervision, insurer.captures.limits
    return (
        signins_api.terminal_routes(
            insurer.terminals, supervision.sign_ins, origin=origin, limits=limits
        ),
        wardchecks_api.terminal_routes(
            insurer.terminals, supervision.ward_checks, origin=origin, limits=limits
        ),
    )


def _supervision(insurer: InsurerSide, caller: Callable[[Request], Caller]) -> Sequence[APIRouter]:
    """Registry and sign-ins of doctors, ward checks, alerts; each side sees its own."""
    supervision, clock = insurer.supervision, insurer.clock
    looking = actor_of(caller, deciding=_AT_THE_WINDOW, looking=_AT_THE_WINDOW)
    governing = actor_of(caller)
    nursing = actor_of(caller, deciding=_NURSING, looking=_NURSING)
    return (
        signins_api.registry_routes(supervision.doctors, governing, clock=clock),
        signins_api.staff_routes(supervision.doctors, supervision.sign_ins, governing, clock=clock),
        wardchecks_api.ward_routes(supervision.ward_checks, nursing, nursing),
        wardchecks_api.result_routes(supervision.ward_checks, looking),
        alerts_api.staff_routes(supervision.alerts, governing),
    )


def _windows(insurer: InsurerSide, caller: Callable[[Request], Caller]) -> Sequence[APIRouter]:
    """What staff do for people who stand before them with a document."""
    insured, clock = insurer.insured, insurer.clock
    window = actor_of(caller, deciding=_AT_THE_WINDOW, looking=_AT_THE_WINDOW)
    treating = actor_of(caller, deciding=_TREATING, looking=_TREATING)
    receiving = actor_of(caller, deciding=_RECEIVING, looking=_RECEIVING)
    supervising = actor_of(caller, deciding=_SUPERVISING, looking=_SUPERVISING)
    people = insured.persons
    return (
        consents_api.staff_routes(insured.consents, people, window, clock=clock),
        templates_api.staff_routes(insured.templates, people, window, clock=clock),
        vouchers_api.staff_routes(insured.vouchers, insured.pins, people, window, clock=clock),
        family_api.staff_routes(insured.family_window, window, clock=clock),
        emergency_api.staff_routes(insurer.emergency, treating),
        expectations_api.staff_routes(insured.expectations, receiving),
        channels_api.staff_routes(insured.channels, supervising),
        accesses_api.staff_routes(insurer.accesses, people, window, clock=clock),
        assessment_api.staff_routes(insurer.assessments, supervising),
        *_supervision(insurer, caller),
    )


def actor_of(
    caller: Callable[[Request], Caller],
    *,
    deciding: Collection[Role] = _DECIDING,
    looking: Collection[Role] = _LOOKING,
) -> terminals_api.ActorOf:
    """Who asks, from who is signed in and has a role for it.

    Args:
        caller: Finds who is signed in.
        deciding: Roles that may change something; about terminals, administrators and supervisors.
        looking: Roles that may only look.
    """

    def actor(request: Request) -> Actor:
        who = caller(request)
        check_role(who, looking if request.method in _SAFE else deciding)
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


def _accounts(hospital: HospitalSide, caller: staff_api.CallerOf, party: RelyingParty) -> APIRouter:
    routes = APIRouter(prefix=f"/hospitals/{hospital.institution}/staff")
    routes.include_router(staff_api.account_router(hospital.staff, caller, party=party))
    return _documented(routes)


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
        if settings.registry_url is not None:
            words = "公安人口信息（演练用的替身）"
            found.append(StandIn("police_registry", words, "police registry (stand-in)"))
        if settings.ewallet_url is not None:
            words = "电子支付账户（演练用的替身，没有真钱）"
            found.append(StandIn("e_wallet", words, "e-wallet (stand-in, no real money)"))
    if settings.audit_checkpoints_dir is None:
        words = "审计检查点和数据库放在同一处（替身）"
        english = "audit checkpoints lie beside the database (stand-in)"
        found.append(StandIn("audit_second_place", words, english))
    return found
