"""Where a hospital hears the e-wallet's notifications."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from shualian.core.clock import Clock
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode
from shualian.gateway.ewallet.model import (
    NOTIFICATION_PATH,
    NotificationBody,
    believed_notification,
)
from shualian.gateway.ewallet.ports import WalletKey
from shualian.hospital.wallet.ports import WalletNews
from shualian.terminals.requests.model import SignedRequest


def notification_routes(
    news: WalletNews,
    *,
    key: WalletKey,
    merchant: InstitutionCode,
    origin: str,
    clock: Clock,
    mode: Mode,
) -> APIRouter:
    """Routes that hand verified notifications to the payments of one hospital.

    Args:
        news: Who is told.
        key: The wallet's; :attr:`EWalletClient.key`.
        merchant: The hospital.
        origin: Of the listener, as the wallet knows it; it is signed.
        clock: For freshness.
        mode: News of a stand-in are believed in the sandbox only.
    """
    routes = APIRouter(tags=["wallet"])
    target = origin.rstrip("/") + NOTIFICATION_PATH

    async def notifications(request: Request) -> Response:
        """Hear what happened to a payment; signed by the wallet (RFC 9421).

        The same again and older ones change nothing. Only 204 ends the wallet's sending.
        """
        received = _received(request, await request.body(), target)

        def hear() -> None:
            news.heard(
                believed_notification(
                    received,
                    expected_key=key.public_key(),
                    expected_merchant=merchant,
                    stand_in_allowed=mode is Mode.SANDBOX,
                    now=clock.now(),
                )
            )

        await run_in_threadpool(hear)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    content = {"application/json": {"schema": _schema()}}
    routes.add_api_route(
        NOTIFICATION_PATH,
        notifications,
        methods=["POST"],
        status_code=HTTPStatus.NO_CONTENT,
        response_model=None,
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    return routes


def _received(request: Request, body: bytes, target: str) -> SignedRequest:
    query = request.scope["query_string"].decode("latin-1")
    return SignedRequest(
        method=request.method,
        target_uri=target + (f"?{query}" if query else ""),
        signature_input=request.headers.getlist("signature-input"),
        signature=request.headers.getlist("signature"),
        content_digest=request.headers.getlist("content-digest"),
        address=request.client.host if request.client else "",
        body=body,
    )


def _schema() -> dict[str, Any]:
    """Of the body, whole in one place: references inside it would point nowhere in OpenAPI."""
    schema = NotificationBody.model_json_schema()
    parts = schema.pop("$defs", {})

    def whole(part: Any) -> Any:
        if isinstance(part, dict) and "$ref" in part:
            return whole(parts[part["$ref"].rpartition("/")[2]])
        if isinstance(part, dict):
            return {name: whole(value) for name, value in part.items()}
        return [whole(each) for each in part] if isinstance(part, list) else part

    return {name: whole(value) for name, value in schema.items()}
