"""Use cases of price lists: import one from a day on, and find the one of a day."""

import hashlib
from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.refusals import Refused
from shualian.hospital.orders.model import PriceList, parse_price_list
from shualian.hospital.prices import store
from shualian.hospital.prices.model import (
    NO_PRICE_LIST,
    PRICE_LIST_EXISTS,
    PriceListVersion,
    check_not_past,
)


class PriceLists:
    """The price lists of one hospital; also the port ``Prices`` of orders."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        first: PriceList | None = None,
    ) -> None:
        """Describe it; ``first`` holds on days before every imported list."""
        self._institution = institution
        self._database = database
        self._clock = clock
        self._first = first
        self._parsed: dict[date, PriceList] = {}

    def import_list(self, *, text: str, valid_from: date, imported_by: StaffId) -> PriceListVersion:
        """Take a list in CSV that holds from a business day on; the same again changes nothing.

        What is ordered keeps the price of the day on which it was ordered.

        Raises:
            Refused: ``hospital.price_list_invalid``, ``price_list_past``, ``price_list_exists``.
        """
        prices, now = parse_price_list(text), self._clock.now()
        digest = hashlib.sha256(text.encode()).digest()
        version = PriceListVersion(
            self._institution, valid_from, now, imported_by, digest, len(prices.items)
        )

        def work(connection: Connection) -> PriceListVersion:
            for earlier in store.versions(connection, self._institution):
                if earlier.valid_from == valid_from:
                    if earlier.digest != digest:
                        raise Refused(PRICE_LIST_EXISTS, found=valid_from.isoformat())
                    return earlier
            check_not_past(valid_from, today=business_date(now))
            store.add(connection, version, text)
            return version

        return self._database.write(work)

    def versions(self) -> Sequence[PriceListVersion]:
        """All lists that were imported, the oldest first."""
        return self._database.read(lambda connection: store.versions(connection, self._institution))

    def on(self, day: date, /) -> PriceList:
        """The list that holds on a business day.

        Raises:
            Refused: ``hospital.no_price_list``.
        """
        return self._database.read(lambda connection: self.on_within(connection, day))

    def on_within(self, connection: Connection, day: date) -> PriceList:
        """:meth:`on` as a part of another use case's transaction.

        Raises:
            Refused: As :meth:`on`.
        """
        found = store.content_on(connection, self._institution, day)
        if found is None:
            if self._first is None:
                raise Refused(NO_PRICE_LIST, day=day.isoformat())
            return self._first
        # A list never changes once it is in, so that parsing it once is enough.
        valid_from, content = found
        if valid_from not in self._parsed:
            self._parsed[valid_from] = parse_price_list(content)
        return self._parsed[valid_from]
