"""What closing a day needs from outside: the insurer's and the wallet's books of it."""

from datetime import date
from typing import Protocol

from shualian.hospital.cashier.closing.model import InsurerDay
from shualian.hospital.wallet.model import Statement


class InsurerBooks(Protocol):
    """The insurer's totals and details of a day of this hospital (3201, 3202).

    An implementation never runs inside a database transaction (``forbid_in_transaction``).
    """

    def of_day(self, day: date) -> InsurerDay:
        """Its books of one business day.

        Raises:
            Refused: ``hospital.insurer_unreachable``.
        """
        ...


class WalletStatements(Protocol):
    """The wallet's statement of a day; every ``EWallet`` is one."""

    def statement(self, day: date) -> Statement:
        """All movements of this hospital's money on one business day.

        Raises:
            Refused: ``hospital.wallet_unreachable``.
        """
        ...
