"""What an operator sees of the running application: request ids, log lines and counters.

A log line holds method, route template, status, time and request id; never a path with values in
it, a query, a header or a body, because any of them may name a person.
"""

import logging
import sys
import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from shualian.core.identifiers import new_identifier

REQUEST_ID_HEADER = "x-request-id"
UNMATCHED = "unmatched"

REQUESTS_COUNTED = Counter(
    "shualian_requests", "Requests by route and status", ["listener", "route", "status"]
)
REFUSALS_COUNTED = Counter("shualian_refusals", "Refusals by code", ["code"])
REQUEST_SECONDS = Histogram("shualian_request_seconds", "Time to answer", ["listener", "route"])

_log = structlog.get_logger("shualian.web")


def configure_logging() -> None:
    """One JSON object a line on standard error; the server's own access log is silenced."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("uvicorn.access").disabled = True


def request_id_of(request: Request) -> str:
    """The identifier under which a request stands in the log and in the answer."""
    return str(request.state.request_id) if hasattr(request.state, "request_id") else ""


def observe(application: FastAPI, listener: str) -> None:
    """Give every request an id, a log line and a count."""

    @application.middleware("http")
    async def follow(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        request.state.request_id = new_identifier()
        began = time.perf_counter()
        status = 500
        try:
            response = await answer(request)
            status = response.status_code
            response.headers[REQUEST_ID_HEADER] = request.state.request_id
        except Exception as failure:
            # The kind only: a message may quote what was sent.
            _log.error("fault", kind=type(failure).__name__, request_id=request.state.request_id)
            raise
        finally:
            _note(request, listener, status, time.perf_counter() - began)
        return response


def metrics(_request: Request) -> Response:
    """The counters, in the Prometheus text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _note(request: Request, listener: str, status: int, seconds: float) -> None:
    route = request.scope.get("route")
    template = getattr(route, "path", UNMATCHED)
    REQUESTS_COUNTED.labels(listener=listener, route=template, status=str(status)).inc()
    REQUEST_SECONDS.labels(listener=listener, route=template).observe(seconds)
    _log.info(
        "request",
        listener=listener,
        method=request.method,
        route=template,
        status=status,
        ms=round(seconds * 1000, 1),
        request_id=request_id_of(request),
    )
