"""What the OpenAPI documents promise, tried with generated requests of those who may ask.

A shim signs for a terminal and signs in for staff, so that the requests get past the door.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any, cast

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shualian.sandbox.authenticator import ORIGIN as STAFF_ORIGIN
from shualian.terminals.agent.model import sign_request
from terminals.district import ADDRESS, ORIGIN
from web.insurer import Listeners, browser, sign_in_administrator, sign_in_supervisor

load_all_checks()

_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
_ENDING = re.compile(r"/sign-(in|out)|/me/(sessions|password|passkeys)|/enrolment/")
# Without shrinking: what a fault says is enough to find it.
_TRIES = settings(max_examples=5, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))


def _with_headers(scope: Scope, headers: dict[str, str]) -> Scope:
    names = {name.encode() for name in headers}
    kept = [each for each in scope["headers"] if each[0].lower() not in names]
    added = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {**scope, "headers": kept + added, "client": (ADDRESS, 5000)}


def _as_terminal(listeners: Listeners, app: ASGIApp) -> ASGIApp:
    device = listeners.district.active()

    async def signing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        message: Message = await receive()
        body = message.get("body", b"")
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode() + (f"?{query}" if query else "")
        headers = sign_request(
            device.key,
            method=scope["method"],
            target_uri=ORIGIN + target,
            body=body,
            created=listeners.district.now(),
            nonce=secrets.token_urlsafe(16),
        )

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await app(_with_headers(scope, dict(headers)), again, send)

    return signing


def _as_staff(listeners: Listeners, app: FastAPI, sign_in: Callable[..., Any]) -> ASGIApp:
    with browser(app) as client:
        sign_in(listeners, client)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())

    async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        own = {"origin": STAFF_ORIGIN, "sec-fetch-site": "same-origin", "cookie": cookie}
        return await app(_with_headers(scope, own), receive, send)

    return signed_in


def _try_all(app: ASGIApp, document: dict[str, Any]) -> int:
    """Try every operation of a document; gives how many there are."""
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    tried = 0
    operations: list[Any] = [cast("Any", found).ok() for found in schema.get_all_operations()]
    # Those that sign the caller out come last.
    for operation in sorted(operations, key=lambda one: bool(_ENDING.search(one.path))):

        @_TRIES
        @given(case=operation.as_strategy())
        def attempt(case: schemathesis.Case[Any]) -> None:
            _check(case)

        attempt()
        tried += 1
    return tried


def _check(case: schemathesis.Case[Any]) -> None:
    response = case.call()
    # 503 is a refusal that time can mend, and says so; any other is a fault.
    assert response.status_code < 500 or response.status_code == 503, response.text
    case.validate_response(response, checks=_CHECKS)


def test_the_terminal_listener_keeps_its_document(listeners: Listeners) -> None:
    app = listeners.terminal

    assert _try_all(_as_terminal(listeners, app), app.openapi()) >= 5


def test_the_insurers_listener_keeps_its_document(listeners: Listeners) -> None:
    app = listeners.staff

    assert _try_all(_as_staff(listeners, app, sign_in_supervisor), app.openapi()) >= 40


def test_a_hospitals_listener_keeps_its_document(listeners: Listeners) -> None:
    app = listeners.hospital

    assert _try_all(_as_staff(listeners, app, sign_in_administrator), app.openapi()) >= 40
