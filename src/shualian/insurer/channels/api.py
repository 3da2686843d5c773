"""Channels over HTTP: signed activations, and the insurer's decisions about channels."""

import base64
import binascii
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.refusals import Refused
from shualian.insurer.channels.model import (
    ActivationRequest,
    Channel,
    FaceCheck,
    FaceCheckMethod,
)
from shualian.insurer.channels.ports import CodeBook
from shualian.insurer.channels.service import ChannelActivations, Channels
from shualian.insurer.vouchers.model import VOUCHER_NOT_ACTIVATED
from shualian.terminals import api as terminals_api
from shualian.terminals.model import Actor, InsurerStaff
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.model import PUBLIC_KEY_INVALID
from shualian.trust.signatures import Algorithm, PublicKey
from shualian.verification.model import ConsentPurpose

ACTIVATIONS_PATH = "/channel/v1/activations"
"""POST :class:`ActivationBody`, signed; answers :class:`ActivationReply`."""
CODES_PATH = "/channel/v1/codes"
"""POST :class:`CodeBody`, signed; answers :class:`CodeReply`."""
CHANNEL_BODY_BYTES_MAX = 16 * 1024

_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._:-]{8,64}$")]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,32}$")]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=60)]
_CodePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{1,29}$")]
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FaceCheckBody(_Body):
    """The channel's own face check."""

    method: FaceCheckMethod
    checked_at: AwareDatetime
    reference: _Number


class ActivationBody(_Body):
    """What a channel asks; repeats carry the same request number and content."""

    request_no: _Number
    certno: Annotated[str, StringConstraints(min_length=15, max_length=20)] = Field(repr=False)
    psn_name: _Words = Field(repr=False)
    face_check: FaceCheckBody
    consents: Annotated[list[ConsentPurpose], Field(max_length=3)]
    notice_version: _Version


class ActivationReply(_Body):
    """The voucher's token, a secret of person and insurer."""

    ec_token: str = Field(repr=False)
    activated_at: datetime


class CodeBody(_Body):
    """Whose voucher the application wants to show."""

    ec_token: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(repr=False)


class CodeReply(_Body):
    """What the application shows as a QR code, once."""

    token: str = Field(repr=False)
    expires_at: datetime


class ChannelBody(_Body):
    """A channel to certify; the public key is a point ``04 || X || Y`` in base64."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,29}$")]
    name: _Words
    algorithm: Algorithm
    public_key: Annotated[str, StringConstraints(max_length=100)]


class ChannelAnswer(_Body):
    """A channel."""

    code: str
    name: str
    key_id: str
    algorithm: Algorithm
    certified_at: datetime
    withdrawn_at: datetime | None


def signed_routes(channels: Channels, *, origin: str) -> APIRouter:
    """An empty router whose routes are requests of channels: verified before a body is read.

    Declare routes on it with a :data:`Verified` parameter.
    """
    return APIRouter(route_class=_route_class(channels, origin), tags=["channel"])


def verified(request: Request) -> Channel:
    """The channel whose signature was verified before the body was read.

    Raises:
        RuntimeError: On a route that does not verify: then nothing is answered.
    """
    found = getattr(request.state, "channel", None)
    if not isinstance(found, Channel):
        raise RuntimeError("a channel's route without verification")  # noqa: TRY004
    return found


Verified = Annotated[Channel, Depends(verified)]


def channel_routes(
    channels: Channels,
    activations: ChannelActivations,
    codes: CodeBook,
    *,
    clock: Clock,
    origin: str,
) -> APIRouter:
    """What channels call: verified before a body is read as JSON.

    Args:
        channels: Verifies.
        activations: Carries out.
        codes: Of vouchers.
        clock: For the age of ID numbers.
        origin: Canonical origin of the listener, which channels sign.
    """
    routes = signed_routes(channels, origin=origin)

    @routes.post(ACTIVATIONS_PATH)
    def activate(body: ActivationBody, channel: Verified, response: Response) -> ActivationReply:
        """Activate a person's voucher after the channel's own face check."""
        response.headers["Cache-Control"] = "no-store"
        asked = _asked(body, clock)
        answer = activations.activate(channel, asked)
        return ActivationReply(ec_token=answer.ec_token, activated_at=answer.at)

    @routes.post(CODES_PATH)
    def show_code(body: CodeBody, channel: Verified, response: Response) -> CodeReply:
        """A code of an active voucher, for a person who is signed in at the channel."""
        response.headers["Cache-Control"] = "no-store"
        psn_no = codes.by_ec_token(body.ec_token)
        if not activations.activated(channel, psn_no):
            # A token that another channel has got hold of shows nothing.
            raise Refused(VOUCHER_NOT_ACTIVATED)
        shown = codes.show_code(psn_no)
        return CodeReply(token=shown.token, expires_at=shown.expires_at)

    return routes


def staff_routes(channels: Channels, caller: terminals_api.ActorOf) -> APIRouter:
    """What the insurer's staff decide about channels."""
    routes = APIRouter(prefix="/channels", tags=["channels"])

    def insurer(who: Annotated[Actor, Depends(caller)]) -> InsurerStaff:
        if not isinstance(who, InsurerStaff):
            raise Refused(terminals_api.WRONG_SIDE)
        return who

    @routes.get("", dependencies=[Depends(insurer)])
    def listed() -> list[ChannelAnswer]:
        """Every channel, withdrawn ones too."""
        return [_answer(each) for each in channels.channels()]

    @routes.post("", status_code=201)
    def certify(body: ChannelBody, who: Annotated[InsurerStaff, Depends(insurer)]) -> ChannelAnswer:
        """Believe a channel from now on."""
        made = channels.certify(
            actor=who, code=body.code, name=body.name, public_key=_public_key(body)
        )
        return _answer(made)

    @routes.post("/{code}/withdrawal", status_code=204)
    def withdraw(code: _CodePath, who: Annotated[InsurerStaff, Depends(insurer)]) -> None:
        """Believe a channel no longer."""
        channels.withdraw(actor=who, code=code)

    return routes


def _route_class(channels: Channels, origin: str) -> type[APIRoute]:
    class ChannelRoute(APIRoute):
        def get_route_handler(self) -> _Handler:
            answer = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                body = await _bounded_body(request)
                signed = _signed(request, origin, body)
                request.state.channel = await run_in_threadpool(channels.verify, signed)
                # What was verified is what is parsed.
                request._body = body
                return await answer(request)

            return guarded

    return ChannelRoute


async def _bounded_body(request: Request) -> bytes:
    """The whole body; a longer one than allowed ends the request, whatever it announced."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > CHANNEL_BODY_BYTES_MAX:
            raise HTTPException(413)
    return bytes(parts)


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
        address=terminals_api.address_of(request.scope),
        body=body,
    )


def _asked(body: ActivationBody, clock: Clock) -> ActivationRequest:
    check = body.face_check
    return ActivationRequest(
        request_no=body.request_no,
        id_number=parse_id_number(body.certno, today=business_date(clock.now())),
        name=body.psn_name,
        face_check=FaceCheck(check.method, check.checked_at, check.reference),
        consents=frozenset(body.consents),
        notice_version=body.notice_version,
    )


def _public_key(body: ChannelBody) -> PublicKey:
    try:
        raw = base64.b64decode(body.public_key, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(PUBLIC_KEY_INVALID, found="not base64") from None
    return PublicKey(body.algorithm, raw)


def _answer(channel: Channel) -> ChannelAnswer:
    return ChannelAnswer(
        code=channel.code,
        name=channel.name,
        key_id=channel.key_id,
        algorithm=channel.public_key.algorithm,
        certified_at=channel.certified_at,
        withdrawn_at=channel.withdrawn_at,
    )
