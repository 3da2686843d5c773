"""A listener: one FastAPI application made of routers, with the same manners everywhere."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request, Response

from shualian import __version__
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.web.observability import metrics, observe
from shualian.web.problems import BODY_TOO_LARGE, answer_refusals, problem

BODY_BYTES_MAX = 1_000_000
"""No request of this application is larger; frames go over the WebSocket."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Something of the outside world that is played by a stand-in, named wherever it matters.

    Attributes:
        part: What it stands in for: ``terminal``, ``police_registry``, ``e_wallet`` …
        zh: In words.
        en: The same in English.
    """

    part: str
    zh: str
    en: str


def build_listener(
    name: str,
    *,
    routers: Sequence[APIRouter],
    mode: Mode,
    stand_ins: Sequence[StandIn] = (),
    body_bytes_max: int = BODY_BYTES_MAX,
) -> FastAPI:
    """An application of ``routers`` that refuses as problem+json, counts, logs and has a health.

    Args:
        name: ``terminal`` or ``staff``; in logs and counters.
        routers: Of the parts.
        mode: Told by the health report.
        stand_ins: Told by the health report, each by name.
        body_bytes_max: A larger announced or sent body is refused.
    """
    application = FastAPI(
        title=f"Shualian {name} listener", version=__version__, docs_url=None, redoc_url=None
    )
    answer_refusals(application)
    for router in routers:
        application.include_router(router)
    application.add_api_route("/health", _health(name, mode, stand_ins), tags=["operation"])
    application.add_route("/metrics", metrics)
    _limit_body(application, body_bytes_max)
    observe(application, name)
    return application


def _health(name: str, mode: Mode, stand_ins: Sequence[StandIn]) -> Callable[[], dict[str, object]]:
    def health() -> dict[str, object]:
        """Which listener this is, in which mode, and everything that is a stand-in."""
        return {
            "listener": name,
            "version": __version__,
            "mode": mode.value,
            "stand_ins": [{"part": one.part, "zh": one.zh, "en": one.en} for one in stand_ins],
        }

    return health


def _limit_body(application: FastAPI, limit: int) -> None:
    @application.middleware("http")
    async def within_limit(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        announced = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or not _within(announced, limit):
            return problem(request, Refused(BODY_TOO_LARGE, limit_bytes=limit))
        return await answer(request)


def _within(announced: str, limit: int) -> bool:
    """Whether an announced length is a plain number that is small enough, in digits first."""
    plain = announced.isascii() and announced.isdecimal() and len(announced) <= len(str(limit))
    return plain and int(announced) <= limit
