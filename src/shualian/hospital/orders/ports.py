"""What orders need from outside: the prices of a day, and whether a doctor is signed in."""

from datetime import date, datetime
from typing import Protocol

from shualian.core.identifiers import InstitutionCode
from shualian.hospital.orders.model import PriceList


class Prices(Protocol):
    """Where the price list of a day comes from; one list for all days is one too."""

    def on(self, day: date, /) -> PriceList:
        """The list that holds on a business day.

        Raises:
            Refused: ``hospital.no_price_list``.
        """
        ...


class AtWork(Protocol):
    """That a doctor is at work here now."""

    @property
    def ends_at(self) -> datetime:
        """From when it holds no more, UTC."""
        ...

    @property
    def confirmed(self) -> bool:
        """Whether a colleague confirmed it, in place of the doctor's face."""
        ...


class DoctorSignIns(Protocol):
    """The insurer's register of doctors who are at work."""

    def valid(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> bool:
        """Whether the doctor is signed in at the institution at a moment (UTC).

        Raises:
            Refused: When the register does not answer; then nothing can be signed.
        """
        ...

    def at_work(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> AtWork | None:
        """The sign-in at the institution that holds at a moment (UTC), for the doctor's screen.

        Raises:
            Refused: When the register does not answer.
        """
        ...
