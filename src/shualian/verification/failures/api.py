"""The closed set of scan failures over HTTP, so that a screen has words and clip for every code."""

from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from shualian.core.refusals import Finality, Helper
from shualian.face.model import Hint
from shualian.verification.failures.model import FAILURES, Cause, ScanFailure
from shualian.verification.failures.rules import INSURANCE_NOTES, of_code, of_hint, of_voucher
from shualian.verification.model import VoucherStanding

FAILURES_PATH = "/terminal/v1/failures"
"""GET; answers :class:`FailuresAnswer`, the same for everybody until the software changes."""


_STANDINGS = {
    "payment_held": "verification.payment_held",
    "guardian_missing": "verification.guardian_missing",
    "consent_outdated": "insurer.notice_outdated",
}
"""Codes beside a result that say what a refusal would say."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FailureAnswer(_Body):
    """One reason why a scan does not work, in words, with the clip that is spoken."""

    code: str
    zh: str
    en: str
    clip: str
    spoken_zh: str
    next_zh: str
    next_en: str
    helper: Helper
    finality: Finality
    cause: Cause

    @classmethod
    def made(cls, failure: ScanFailure) -> Self:
        """The failure on the wire."""
        return cls(
            code=failure.code,
            zh=failure.zh,
            en=failure.en,
            clip=failure.clip,
            spoken_zh=failure.spoken.zh,
            next_zh=failure.next_zh,
            next_en=failure.next_en,
            helper=failure.helper,
            finality=failure.finality,
            cause=failure.cause,
        )


class FailuresAnswer(_Body):
    """Every failure, and which of them a hint or a code beside a result means."""

    failures: list[FailureAnswer]
    of_hint: dict[Hint, str]
    of_standing: dict[str, str]


def terminal_routes() -> APIRouter:
    """What a terminal fetches once: words only, nothing about anybody, so nothing is signed."""
    routes = APIRouter(tags=["terminal"])
    hints = {each: of_hint(each) for each in Hint}
    vouchers = {each.value: of_voucher(each) for each in VoucherStanding}
    others = {standing: of_code(code) for standing, code in _STANDINGS.items()}
    standings = {**vouchers, **INSURANCE_NOTES, **others}
    answer = FailuresAnswer(
        failures=[FailureAnswer.made(each) for each in FAILURES.values()],
        of_hint={each: told.code for each, told in hints.items() if told is not None},
        of_standing={each: told.code for each, told in standings.items() if told is not None},
    )

    @routes.get(FAILURES_PATH)
    def failures() -> FailuresAnswer:
        """The closed set of scan failures."""
        return answer

    return routes
