"""What payments need of an e-payment account, and who is told what it says by itself."""

from datetime import date
from typing import Protocol

from shualian.core.identifiers import CommandId
from shualian.hospital.wallet.model import (
    Agreement,
    CaptureCommand,
    CommandReport,
    HoldCommand,
    News,
    Outcome,
    PayerRef,
    RefundCommand,
    Statement,
    VoidCommand,
)


class EWallet(Protocol):
    """The payment institution that keeps people's e-payment accounts.

    An implementation never runs inside a database transaction (``forbid_in_transaction``).
    Commands raise nothing: ``Declined`` is final and means that nothing was done, nor will be by
    a copy that is still under way; ``Unknown`` means that it may have been done. The same
    identifier with the same content is answered as the first time; with another content it is
    declined. Questions change nothing and refuse with ``hospital.wallet_unreachable``
    (temporary) when there is no answer to believe.
    """

    def agreement(self, payer: PayerRef) -> Agreement | None:
        """What the person authorised; none when nothing ever was.

        Raises:
            Refused: ``hospital.wallet_unreachable``.
        """
        ...

    def hold(self, command: HoldCommand) -> Outcome:
        """Hold money until it is captured or voided, or its time is over."""
        ...

    def capture(self, command: CaptureCommand) -> Outcome:
        """Take held money, once; what is not taken goes back to the payer."""
        ...

    def void(self, command: VoidCommand) -> Outcome:
        """Make sure that nothing is held, nor will be; declined only when it was captured."""
        ...

    def refund(self, command: RefundCommand) -> Outcome:
        """Give captured money back, whole or in part."""
        ...

    def query(self, command_id: CommandId) -> CommandReport:
        """What came of a command, and how its payment stands now.

        Raises:
            Refused: ``hospital.wallet_unreachable``.
        """
        ...

    def statement(self, day: date) -> Statement:
        """All movements of this hospital's money on one business day, for reconciliation.

        Raises:
            Refused: ``hospital.wallet_unreachable``.
        """
        ...


class WalletNews(Protocol):
    """Who is told of verified notifications."""

    def heard(self, news: News) -> None:
        """Take note of a notification; in one transaction with the use of its identifier.

        A notification that was heard before changes nothing (``store.use_notification``), nor
        does one that is older than what is known (``model.learnt``), nor one of a payment that is
        not known here.
        An exception makes the wallet send it again.
        """
        ...
