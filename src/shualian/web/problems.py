"""Refusals and faults as ``application/problem+json`` (RFC 9457), with words in two languages."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.web.observability import REFUSALS_COUNTED, request_id_of

MEDIA_TYPE = "application/problem+json"

REQUEST_INVALID = RefusalKind(
    code="web.request_invalid",
    zh="请求的内容不对",
    en="The request is not valid",
    next_zh="请按接口说明检查请求",
    next_en="Check the request against the OpenAPI document",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
NOT_FOUND = RefusalKind(
    code="web.not_found",
    zh="没有这个地址",
    en="There is nothing at this address",
    next_zh="请检查地址",
    next_en="Check the address",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
METHOD_NOT_ALLOWED = RefusalKind(
    code="web.method_not_allowed",
    zh="这个地址不支持这种操作",
    en="This address does not take this method",
    next_zh="请按接口说明检查请求",
    next_en="Check the request against the OpenAPI document",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
BODY_TOO_LARGE = RefusalKind(
    code="web.body_too_large",
    zh="请求的内容太大",
    en="The body of the request is too large",
    next_zh="请减小后再试",
    next_en="Make it smaller and try again",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
FAULT = RefusalKind(
    code="web.fault",
    zh="系统出了问题，这件事没有办成",
    en="Something in the system failed; this was not done",
    next_zh="请稍后再试，或到人工窗口；把请求编号告诉工作人员",
    next_en="Try again later or go to a window; tell the staff the request id",
    helper=Helper.TECHNICIAN,
    finality=Finality.UNKNOWN,
)
REFUSALS = (REQUEST_INVALID, NOT_FOUND, METHOD_NOT_ALLOWED, BODY_TOO_LARGE, FAULT)

_STATUS: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        "web.request_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
        "web.not_found": HTTPStatus.NOT_FOUND,
        "web.method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
        "web.body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "web.fault": HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)
_OPEN_ENDED = HTTPStatus.CONFLICT


def status_of(kind: RefusalKind) -> HTTPStatus:
    """The HTTP status of a refusal; the code in the body says more than the status can.

    404 for codes that end in ``_not_found``; 503 where asking again can help or the outcome is
    open; 409 for the rest: the request was understood and is refused as things stand.
    """
    if kind.code in _STATUS:
        return _STATUS[kind.code]
    if kind.code.endswith("_not_found"):
        return HTTPStatus.NOT_FOUND
    if kind.finality is not Finality.FINAL:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return _OPEN_ENDED


def problem(
    request: Request, refused: Refused, *, status: HTTPStatus | None = None
) -> JSONResponse:
    """A refusal as a response."""
    kind = refused.kind
    REFUSALS_COUNTED.labels(code=kind.code).inc()
    status = status or status_of(kind)
    body = {
        "type": f"urn:shualian:refusal:{kind.code}",
        "title": kind.en,
        "status": int(status),
        "request_id": request_id_of(request),
        **refused.as_json(),
    }
    return JSONResponse(body, status_code=int(status), media_type=MEDIA_TYPE)


def answer_refusals(application: FastAPI) -> None:
    """Let an application answer every refusal and every fault as a problem, without a leak."""
    application.add_exception_handler(Refused, _on_refused)
    application.add_exception_handler(RequestValidationError, _on_invalid)
    application.add_exception_handler(HTTPException, _on_http)
    application.add_exception_handler(Exception, _on_fault)


async def _on_refused(request: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, Refused)  # noqa: S101 - registered for this type
    return problem(request, failure)


async def _on_invalid(request: Request, failure: Exception) -> JSONResponse:
    """Says where the request is wrong and never what was sent: that may be a person's data."""
    assert isinstance(failure, RequestValidationError)  # noqa: S101
    first = failure.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return problem(request, Refused(REQUEST_INVALID, at=place, found=str(first["type"])))


async def _on_http(request: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, HTTPException)  # noqa: S101
    known = {
        HTTPStatus.NOT_FOUND: NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED: METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BODY_TOO_LARGE,
    }
    status = HTTPStatus(failure.status_code)
    return problem(request, Refused(known.get(status, REQUEST_INVALID)), status=status)


async def _on_fault(request: Request, _failure: Exception) -> JSONResponse:
    return problem(request, Refused(FAULT))
