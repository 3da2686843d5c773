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
    Account,
    BooksCheck,
    Cause,
    Posting,
    PostingId,
    contributions,
    personal,
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

    def balance(self, psn_no: PersonNo) -> Fen:
        """What a personal account holds (``balc``)."""
        return self._database.read(lambda connection: store.balance(connection, psn_no))

    def account_sum(self, account: Account) -> Fen:
        """What any account of the ledger holds."""
        return self._database.read(lambda connection: store.account_sum(connection, account))

    def check_books(self) -> BooksCheck:
        """Whether the whole ledger is coherent."""
        return self._database.read(store.check_books)
