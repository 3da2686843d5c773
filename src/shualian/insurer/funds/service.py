"""Use cases of the ledger that stand alone; settlements book inside their own transaction."""

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, PersonNo, new_identifier
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.funds import store
from shualian.insurer.funds.model import (
    AMOUNT_NOT_POSITIVE,
    COMMAND_DIFFERS,
    TRANSFER_NOT_FOUND,
    Account,
    BooksCheck,
    Cause,
    Phase,
    Posting,
    PostingId,
    contributions,
    personal,
    resolution,
)


class Funds:
    """Personal accounts and the books."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def credit_personal_account(
        self, *, command_id: CommandId, psn_no: PersonNo, region: str, amount: Fen
    ) -> Fen:
        """Put contributions into a personal account; gives the balance. Once per command.

        Args:
            command_id: The same command again changes nothing and gives the balance of now.
            psn_no: Whose account.
            region: Where the contributions come from.
            amount: Above 0.

        Raises:
            Refused: ``insurer.amount_not_positive``, ``insurer.command_differs``.
        """
        if amount <= 0:
            raise Refused(AMOUNT_NOT_POSITIVE, found_fen=amount)
        entries = {personal(psn_no): amount, contributions(region): Fen(-amount)}
        posting = Posting(PostingId(new_identifier()), Cause.CONTRIBUTION, command_id, entries)
        now = self._clock.now()

        def work(connection: Connection) -> Fen:
            earlier = store.posting_of(connection, posting.cause, command_id)
            if earlier is None:
                store.book(connection, posting, booked_at=now)
            elif earlier.entries != entries:
                raise Refused(COMMAND_DIFFERS)
            return store.balance(connection, psn_no)

        return self._database.write(work)

    def announce_transfer(
        self, *, command_id: CommandId, psn_no: PersonNo, region: str, amount: Fen
    ) -> None:
        """Contributions are on their way to a personal account; they are pending. Once per command.

        Args:
            command_id: Number of the transfer; :meth:`resolve_transfer` names it again.
            psn_no: Whose account.
            region: Where the contributions come from.
            amount: Above 0; nobody can spend it before it has arrived.

        Raises:
            Refused: ``insurer.amount_not_positive``, ``insurer.command_differs``.
        """
        if amount <= 0:
            raise Refused(AMOUNT_NOT_POSITIVE, found_fen=amount)
        entries = {personal(psn_no): amount, contributions(region): Fen(-amount)}
        number = PostingId(new_identifier())
        posting = Posting(number, Cause.TRANSFER, command_id, entries, phase=Phase.PENDING)
        now = self._clock.now()

        def work(connection: Connection) -> None:
            earlier = store.posting_of(connection, Cause.TRANSFER, command_id)
            if earlier is None:
                store.book(connection, posting, booked_at=now)
            elif earlier.entries != entries:
                raise Refused(COMMAND_DIFFERS)

        self._database.write(work)

    def resolve_transfer(self, *, command_id: CommandId, arrived: bool) -> None:
        """Post an announced transfer that arrived, void one that will not; again changes nothing.

        Raises:
            Refused: ``insurer.transfer_not_found``; ``insurer.command_differs`` when it was
                resolved the other way.
        """
        number, now = PostingId(new_identifier()), self._clock.now()

        def work(connection: Connection) -> None:
            pending = store.posting_of(connection, Cause.TRANSFER, command_id)
            if pending is None:
                raise Refused(TRANSFER_NOT_FOUND)
            earlier = store.resolution_of(connection, pending.posting_id)
            ended = resolution(pending, posting_id=number, arrived=arrived)
            if earlier is None:
                store.book(connection, ended, booked_at=now)
            elif earlier.phase is not ended.phase:
                raise Refused(COMMAND_DIFFERS)

        self._database.write(work)

    def pending(self, account: Account) -> Fen:
        """What of an account has an open outcome."""
        return self._database.read(
            lambda connection: store.account_sum(connection, account, pending=True)
        )

    def balance(self, psn_no: PersonNo) -> Fen:
        """What a personal account holds (``balc``)."""
        return self._database.read(lambda connection: store.balance(connection, psn_no))

    def account_sum(self, account: Account) -> Fen:
        """What any account of the ledger holds."""
        return self._database.read(lambda connection: store.account_sum(connection, account))

    def check_books(self) -> BooksCheck:
        """Whether the whole ledger is coherent."""
        return self._database.read(store.check_books)
