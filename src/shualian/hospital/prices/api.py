"""Price lists over HTTP, for administrators."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from shualian.hospital.prices.model import PriceListVersion
from shualian.hospital.prices.service import PriceLists
from shualian.staff.model import Caller, Role, check_role

PREFIX = "/hospital/v1/prices"
TEXT_CHARACTERS_MAX = 300_000
"""A listener takes a body of at most a megabyte; a character may take three bytes."""


class ImportBody(BaseModel):
    """A list in CSV, and the first business day on which it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    valid_from: date
    text: Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS_MAX, repr=False)]


class VersionAnswer(BaseModel):
    """A list that was imported."""

    valid_from: date
    imported_at: datetime
    imported_by: str | None
    item_count: int


def staff_routes(prices: PriceLists, caller: Callable[[Request], Caller]) -> APIRouter:
    """Import a list and see which there are.

    Args:
        prices: Of the hospital.
        caller: Who is signed in.
    """
    routes = APIRouter(prefix=PREFIX, tags=["prices"])

    @routes.post("", status_code=201)
    def take(body: ImportBody, who: Annotated[Caller, Depends(caller)]) -> VersionAnswer:
        """Take a list that holds from a day on."""
        check_role(who, {Role.ADMINISTRATOR})
        return _answer(
            prices.import_list(text=body.text, valid_from=body.valid_from, imported_by=who.staff_id)
        )

    @routes.get("")
    def versions(who: Annotated[Caller, Depends(caller)]) -> list[VersionAnswer]:
        """All lists, the oldest first."""
        check_role(who)
        return [_answer(version) for version in prices.versions()]

    return routes


def _answer(version: PriceListVersion) -> VersionAnswer:
    return VersionAnswer(
        valid_from=version.valid_from,
        imported_at=version.imported_at,
        imported_by=version.imported_by,
        item_count=version.item_count,
    )
