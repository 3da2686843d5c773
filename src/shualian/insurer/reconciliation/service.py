"""Use cases of reconciliation: a span's totals and details, a day's three books."""

from collections.abc import Mapping, Sequence
from datetime import date

from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode
from shualian.core.money import Fen
from shualian.insurer.reconciliation import store
from shualian.insurer.reconciliation.model import (
    Detail,
    Difference,
    Movement,
    Totals,
    differences,
    totals_of,
)


class Reconciliation:
    """The insurer's books beside those of an institution and the e-wallet; changes nothing."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def totals(
        self,
        *,
        institution: InstitutionCode,
        first: date,
        last: date,
        insutype: str | None = None,
    ) -> Totals:
        """Sums from the first to the last business day (3201)."""
        return totals_of(
            self.details(institution=institution, first=first, last=last, insutype=insutype)
        )

    def details(
        self,
        *,
        institution: InstitutionCode,
        first: date,
        last: date,
        insutype: str | None = None,
    ) -> Sequence[Detail]:
        """Every settlement and cancellation from the first to the last business day (3202)."""
        return self._database.read(
            lambda connection: store.details(connection, institution, (first, last), insutype)
        )

    def by_fund(
        self, *, institution: InstitutionCode, first: date, last: date
    ) -> Mapping[str, Fen]:
        """What each fund pays from the first to the last business day, by its field."""
        return self._database.read(
            lambda connection: store.by_fund(connection, institution, (first, last))
        )

    def movements(self, *, institution: InstitutionCode, day: date) -> Sequence[Movement]:
        """The day's settlements as the comparison takes them."""
        return self._database.read(lambda connection: store.movements(connection, institution, day))

    def compare(
        self,
        *,
        institution: InstitutionCode,
        day: date,
        hospital: Sequence[Movement],
        wallet: Sequence[Movement],
    ) -> Sequence[Difference]:
        """What the hospital's and the e-wallet's books of a day say otherwise, and the repair."""
        ours = self.movements(institution=institution, day=day)
        return differences(ours, hospital, wallet)
