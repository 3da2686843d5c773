"""Staff over HTTP: sign-in, own keys and sessions, accounts.

Cookies are not kept apart by port and ``localhost`` is one site, so a page of another program on
the same machine is same-site; therefore each request must come from exactly our origin.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.staff.accounts.model import NewCode, Person
from shualian.staff.model import (
    CROSS_SITE,
    Caller,
    Role,
    StaffSessionId,
)
from shualian.staff.passkeys.model import Passkey, RelyingParty
from shualian.staff.passwords.model import Password
from shualian.staff.service import StaffServices
from shualian.staff.sessions.model import SIGNED_OUT, Session, SignedIn

CallerOf = Callable[[Request], Caller]
"""Finds the caller of a request or refuses."""

_SAFE = frozenset(("GET", "HEAD"))


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Login = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Code = Annotated[SecretStr, Field(min_length=1, max_length=100)]
Typed = Annotated[SecretStr, Field(min_length=1, max_length=500)]
Roles = Annotated[frozenset[Role], Field(min_length=1)]


class PublicKeyCredential(_Body):
    """What ``PublicKeyCredential.toJSON()`` of a browser gives."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(max_length=2000)]
    rawId: Annotated[str, Field(max_length=2000)]  # noqa: N815 - a name of the standard
    type: Annotated[str, Field(max_length=20)]
    response: dict[str, Any]


class PasswordSignIn(_Body):
    """Account name and password."""

    login: Login = Field(repr=False)
    password: Typed


class PasskeyAnswer(_Body):
    """The answer to options."""

    credential: PublicKeyCredential = Field(repr=False)


class CodeOnly(_Body):
    """A one-time code."""

    code: Code


class CodeAndPassword(_Body):
    """A one-time code and the first password."""

    code: Code
    password: Typed


class CodeAndPasskey(_Body):
    """A one-time code and the first passkey."""

    code: Code
    credential: PublicKeyCredential = Field(repr=False)


class NewPassword(_Body):
    """The caller's next password."""

    password: Typed


class NewAccount(_Body):
    """An account to create."""

    login: Login = Field(repr=False)
    name: Name = Field(repr=False)
    roles: Roles


class NewRoles(_Body):
    """Roles that an account should have."""

    roles: Roles


class Decision(_Body):
    """The change that the approver has seen."""

    proposal_id: Annotated[str, Field(max_length=30)]


class CodeAnswer(BaseModel):
    """A one-time code, shown once."""

    staff_id: str
    code: str = Field(repr=False)
    expires_at: datetime


class ProposalAnswer(BaseModel):
    """A change that waits for a second person."""

    proposal_id: str
    roles: list[Role]
    new_credentials: bool
    proposed_by: str
    proposed_at: datetime


class AccountAnswer(BaseModel):
    """An account as colleagues see it."""

    staff_id: str
    employer: str
    login: str = Field(repr=False)
    name: str = Field(repr=False)
    roles: list[Role]
    state: str
    proposal: ProposalAnswer | None


class SignedInAnswer(BaseModel):
    """Who is signed in now; the token is in the cookie and nowhere else."""

    staff_id: str
    employer: str
    roles: list[Role]
    expires_at: datetime


class SessionAnswer(BaseModel):
    """One session of the caller."""

    session_id: str
    method: str
    opened_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool


class PasskeyLine(BaseModel):
    """One passkey of the caller."""

    passkey_id: str
    added_at: datetime
    used_at: datetime | None


class Ended(BaseModel):
    """How many sessions ended."""

    sessions: int


def cookie_name(party: RelyingParty, side: str) -> str:
    """Name of the session cookie; over HTTPS with the prefix that pins host, path and Secure."""
    name = f"shualian_staff_{side}"
    return f"__Host-{name}" if party.secure else name


def own_origin(party: RelyingParty) -> Callable[[Request], None]:
    """A dependency that refuses what another site, or another port, has made a browser send.

    What changes something must name our origin; what only reads must not name another.
    """

    def check(request: Request) -> None:
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        reading = request.method in _SAFE
        origin_right = origin == party.origin or (reading and origin is None)
        site_right = site in {None, "same-origin"} or (reading and site == "none")
        if not (origin_right and site_right):
            raise Refused(CROSS_SITE)

    return check


def session_caller(services: StaffServices, cookie: str) -> CallerOf:
    """A dependency that gives the caller whose session cookie a request carries."""

    def caller(request: Request) -> Caller:
        token = request.cookies.get(cookie)
        if not token:
            raise Refused(SIGNED_OUT)
        return services.sessions.resolve(token)

    return caller


def router(services: StaffServices, caller: CallerOf, *, cookie: str) -> APIRouter:
    """Everything of staff over one database.

    Args:
        services: Of that database.
        caller: Finds the caller: :func:`session_caller` of the same services.
        cookie: In which the session's token is given (:func:`cookie_name`).
    """
    own = APIRouter(dependencies=[Depends(own_origin(services.party))])
    cookies = _Cookies(services.party, cookie)
    own.include_router(_sign_in_routes(services, caller, cookies))
    own.include_router(_enrolment_routes(services, cookies))
    own.include_router(_own_routes(services, caller, cookies))
    own.include_router(_account_routes(services, caller))
    return own


def account_router(services: StaffServices, caller: CallerOf, *, party: RelyingParty) -> APIRouter:
    """The accounts over one database, for supervisors at the insurer's own pages.

    Args:
        services: Of a hospital.
        caller: Finds who is signed in at the insurer.
        party: Of the insurer, whose pages these are.
    """
    own = APIRouter(dependencies=[Depends(own_origin(party))])
    own.include_router(_account_routes(services, caller))
    return own


class _Cookies:
    """The session cookie of one router."""

    def __init__(self, party: RelyingParty, name: str) -> None:
        self._secure = party.secure
        self._name = name

    def before(self, request: Request) -> str | None:
        return request.cookies.get(self._name)

    def give(self, response: Response, signed_in: SignedIn) -> SignedInAnswer:
        # No expiry: it goes with the browser, whose clock may be wrong; the session ends here.
        response.set_cookie(
            self._name,
            signed_in.token,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        response.headers["Cache-Control"] = "no-store"
        who = signed_in.caller
        return SignedInAnswer(
            staff_id=who.staff_id,
            employer=who.employer.code,
            roles=sorted(who.roles),
            expires_at=signed_in.expires_at,
        )

    def take(self, response: Response) -> None:
        response.delete_cookie(
            self._name, path="/", secure=self._secure, httponly=True, samesite="strict"
        )


def _sign_in_routes(services: StaffServices, caller: CallerOf, cookies: _Cookies) -> APIRouter:
    routes = APIRouter(tags=["staff sign-in"])

    @routes.post("/sign-in/password")
    def sign_in_by_password(
        body: PasswordSignIn, request: Request, response: Response
    ) -> SignedInAnswer:
        """Sign in with a password."""
        signed_in = services.sign_in.by_password(
            login=body.login,
            password=Password.typed(body.password.get_secret_value()),
            replaces=cookies.before(request),
        )
        return cookies.give(response, signed_in)

    @routes.post("/sign-in/passkey/options")
    def passkey_options() -> dict[str, Any]:
        """Options for ``navigator.credentials.get()``."""
        return services.sign_in.passkey_options()

    @routes.post("/sign-in/passkey")
    def sign_in_by_passkey(
        body: PasskeyAnswer, request: Request, response: Response
    ) -> SignedInAnswer:
        """Sign in with a passkey."""
        answer, before = body.credential.model_dump(), cookies.before(request)
        return cookies.give(response, services.sign_in.by_passkey(answer, replaces=before))

    @routes.post("/sign-out", status_code=204)
    def sign_out(response: Response, who: Annotated[Caller, Depends(caller)]) -> None:
        """End this session."""
        services.sessions.sign_out(who)
        cookies.take(response)

    return routes


def _enrolment_routes(services: StaffServices, cookies: _Cookies) -> APIRouter:
    routes = APIRouter(prefix="/enrolment", tags=["staff enrolment"])
    credentials = services.credentials

    @routes.post("/password")
    def enrol_password(
        body: CodeAndPassword, request: Request, response: Response
    ) -> SignedInAnswer:
        """Turn a one-time code into a password."""
        signed_in = credentials.enrol_password(
            code=body.code.get_secret_value(),
            password=Password.typed(body.password.get_secret_value()),
            replaces=cookies.before(request),
        )
        return cookies.give(response, signed_in)

    @routes.post("/passkey/options")
    def enrolment_options(body: CodeOnly) -> dict[str, Any]:
        """Options for ``navigator.credentials.create()``."""
        return credentials.enrolment_options(code=body.code.get_secret_value())

    @routes.post("/passkey")
    def enrol_passkey(body: CodeAndPasskey, request: Request, response: Response) -> SignedInAnswer:
        """Turn a one-time code into a passkey."""
        signed_in = credentials.enrol_passkey(
            body.credential.model_dump(),
            code=body.code.get_secret_value(),
            replaces=cookies.before(request),
        )
        return cookies.give(response, signed_in)

    return routes


def _own_routes(services: StaffServices, caller: CallerOf, cookies: _Cookies) -> APIRouter:
    routes = APIRouter(prefix="/me", tags=["own account"])
    routes.include_router(_own_session_routes(services, caller))
    credentials = services.credentials

    @routes.get("")
    def who_am_i(who: Annotated[Caller, Depends(caller)]) -> AccountAnswer:
        """The caller's own account."""
        return _account(services.accounts.own(who))

    @routes.put("/password")
    def set_password(
        body: NewPassword, response: Response, who: Annotated[Caller, Depends(caller)]
    ) -> SignedInAnswer:
        """Set a password; signs out everywhere else."""
        password = Password.typed(body.password.get_secret_value())
        return cookies.give(response, credentials.set_password(who, password=password))

    @routes.get("/passkeys")
    def passkeys(who: Annotated[Caller, Depends(caller)]) -> list[PasskeyLine]:
        """The caller's passkeys."""
        return [_passkey(each) for each in credentials.passkeys(who)]

    @routes.post("/passkeys/options")
    def registration_options(who: Annotated[Caller, Depends(caller)]) -> dict[str, Any]:
        """Options for ``navigator.credentials.create()``."""
        return credentials.registration_options(who)

    @routes.post("/passkeys", status_code=201)
    def add_passkey(body: PasskeyAnswer, who: Annotated[Caller, Depends(caller)]) -> PasskeyLine:
        """Add a passkey."""
        return _passkey(credentials.add_passkey(who, body.credential.model_dump()))

    @routes.delete("/passkeys/{passkey_id}")
    def remove_passkey(
        passkey_id: str, response: Response, who: Annotated[Caller, Depends(caller)]
    ) -> SignedInAnswer:
        """Remove a passkey; signs out everywhere else."""
        return cookies.give(response, credentials.remove_passkey(who, passkey_id=passkey_id))

    return routes


def _own_session_routes(services: StaffServices, caller: CallerOf) -> APIRouter:
    routes = APIRouter(prefix="/sessions")
    sessions = services.sessions

    @routes.get("")
    def own_sessions(who: Annotated[Caller, Depends(caller)]) -> list[SessionAnswer]:
        """Where the caller is signed in."""
        return [_session(each, who) for each in sessions.listed(who)]

    @routes.delete("")
    def revoke_own_sessions(who: Annotated[Caller, Depends(caller)]) -> Ended:
        """Sign out everywhere."""
        return Ended(sessions=sessions.revoke_all(who))

    @routes.delete("/{session_id}", status_code=204)
    def revoke_own_session(session_id: str, who: Annotated[Caller, Depends(caller)]) -> None:
        """Sign out in one place."""
        sessions.revoke(who, session_id=StaffSessionId(session_id))

    return routes


def _account_routes(services: StaffServices, caller: CallerOf) -> APIRouter:
    routes = APIRouter(prefix="/accounts", tags=["staff accounts"])
    routes.include_router(_decision_routes(services, caller))
    accounts = services.accounts

    @routes.get("")
    def listed(who: Annotated[Caller, Depends(caller)]) -> list[AccountAnswer]:
        """The accounts of the caller's employer."""
        return _accounts(accounts.listed(who, employer=who.employer))

    @routes.post("", status_code=201)
    def create(body: NewAccount, who: Annotated[Caller, Depends(caller)]) -> CodeAnswer:
        """Create an account that waits for a second person."""
        made = accounts.create(
            who, employer=who.employer, login=body.login, name=body.name, roles=body.roles
        )
        return _code(made)

    @routes.put("/{staff_id}/roles", status_code=204)
    def propose_roles(
        staff_id: str, body: NewRoles, who: Annotated[Caller, Depends(caller)]
    ) -> None:
        """Propose other roles."""
        accounts.propose_roles(who, staff_id=StaffId(staff_id), roles=body.roles)

    @routes.post("/{staff_id}/reset", status_code=201)
    def propose_reset(staff_id: str, who: Annotated[Caller, Depends(caller)]) -> CodeAnswer:
        """Propose new credentials."""
        return _code(accounts.propose_reset(who, staff_id=StaffId(staff_id)))

    @routes.post("/{staff_id}/suspension", status_code=204)
    def suspend(staff_id: str, who: Annotated[Caller, Depends(caller)]) -> None:
        """Suspend an account at once."""
        accounts.suspend(who, staff_id=StaffId(staff_id))

    @routes.delete("/{staff_id}/sessions")
    def revoke_sessions(staff_id: str, who: Annotated[Caller, Depends(caller)]) -> Ended:
        """Sign an account out everywhere."""
        return Ended(sessions=accounts.revoke_sessions(who, staff_id=StaffId(staff_id)))

    return routes


def _decision_routes(services: StaffServices, caller: CallerOf) -> APIRouter:
    routes = APIRouter()
    accounts = services.accounts

    @routes.get("/waiting-outside")
    def waiting_outside(who: Annotated[Caller, Depends(caller)]) -> list[AccountAnswer]:
        """Changes that wait at hospitals, for supervisors."""
        return _accounts(accounts.waiting_outside(who))

    @routes.post("/{staff_id}/approval", status_code=204)
    def approve(staff_id: str, body: Decision, who: Annotated[Caller, Depends(caller)]) -> None:
        """Approve a change that a colleague has proposed."""
        accounts.approve(who, staff_id=StaffId(staff_id), proposal_id=body.proposal_id)

    @routes.post("/{staff_id}/rejection", status_code=204)
    def reject(staff_id: str, body: Decision, who: Annotated[Caller, Depends(caller)]) -> None:
        """Reject a change."""
        accounts.reject(who, staff_id=StaffId(staff_id), proposal_id=body.proposal_id)

    return routes


def _code(made: NewCode) -> CodeAnswer:
    return CodeAnswer(staff_id=made.staff_id, code=made.code, expires_at=made.expires_at)


def _accounts(people: Iterable[Person]) -> list[AccountAnswer]:
    return [_account(each) for each in people]


def _account(person: Person) -> AccountAnswer:
    account, proposal = person.account, person.account.proposal
    waiting = None
    if proposal is not None:
        waiting = ProposalAnswer(
            proposal_id=proposal.proposal_id,
            roles=sorted(proposal.roles),
            new_credentials=proposal.new_credentials,
            proposed_by=proposal.proposed_by,
            proposed_at=proposal.proposed_at,
        )
    return AccountAnswer(
        staff_id=account.staff_id,
        employer=account.employer.code,
        login=person.login,
        name=person.name,
        roles=sorted(account.roles),
        state=account.state.value,
        proposal=waiting,
    )


def _passkey(passkey: Passkey) -> PasskeyLine:
    return PasskeyLine(
        passkey_id=passkey.passkey_id, added_at=passkey.added_at, used_at=passkey.used_at
    )


def _session(session: Session, who: Caller) -> SessionAnswer:
    return SessionAnswer(
        session_id=session.session_id,
        method=session.method.value,
        opened_at=session.opened_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
        current=session.session_id == who.session,
    )
