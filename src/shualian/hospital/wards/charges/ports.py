"""What a stay's charges need from outside: the prices of a day."""

from datetime import date
from typing import Protocol

from shualian.hospital.orders.model import PriceList


class PricesOn(Protocol):
    """Gives the price list of a day; a function will do."""

    def __call__(self, day: date, /) -> PriceList:
        """The list that holds on a business day.

        Raises:
            Refused: When there is none.
        """
        ...
