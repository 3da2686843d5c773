"""Use cases of the inbox: tell, read, mark as seen, forget; and the worker that fills it."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, new_identifier
from shualian.insurer.messages import store
from shualian.insurer.messages.model import (
    SEEN_KEPT,
    UNSEEN_KEPT,
    Message,
    MessageCode,
    MessageId,
    What,
    Words,
    words_of,
)
from shualian.insurer.messages.ports import Teller

_ROUNDS_MAX = 100


class Messages:
    """What people are told; implements the port ``Notices`` of templates and of family bindings.

    A message stays one until it is seen: told again, by a repeat or by a second matter of its
    kind, it takes the newer moment, because its words only send the person to look. What is told
    after that is a message of its own. Proven: what was told is there until it is seen and some
    time after. Not proven: that anybody looks; an application that pulls it may stay silent.
    """

    def __init__(self, *, database: Database, clock: Clock, phone: str) -> None:
        """Keep the inbox.

        Args:
            database: Has ``store.metadata``'s table.
            clock: For every moment.
            phone: Of the insurer, as the words name it.
        """
        self._database = database
        self._clock = clock
        self._phone = phone

    def tell(self, psn_no: PersonNo, what: What) -> None:
        """Tell a person something; told twice is one message."""
        now = self._clock.now()
        told = Message(MessageId(new_identifier()), psn_no, MessageCode(what.value), now)

        def work(connection: Connection) -> None:
            if not store.renew(connection, told):
                store.add(connection, told)

        self._database.write(work)

    def read(self, psn_no: PersonNo) -> Sequence[Message]:
        """Every message of a person as it stood, the newest first; from now on they are seen."""
        now = self._clock.now()

        def work(connection: Connection) -> Sequence[Message]:
            found = store.of_person(connection, psn_no)
            new = [each.message_id for each in found if each.seen_at is None]
            store.mark_seen(connection, psn_no, new, now)
            return found

        return self._database.write(work)

    def pulled(self, psn_no: PersonNo, *, seen: Collection[MessageId] = ()) -> Sequence[Message]:
        """Every message of a person, the newest first, after those in ``seen`` were marked.

        To fetch is not to show: an application says which ones the person opened. Messages of
        others in ``seen`` are not touched.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Sequence[Message]:
            store.mark_seen(connection, psn_no, seen, now)
            return store.of_person(connection, psn_no)

        return self._database.write(work)

    def words(self, code: MessageCode) -> Words:
        """A message in words."""
        return words_of(code, phone=self._phone)

    def deliver(self, tellers: Iterable[Teller]) -> int:
        """Take in what others have to tell, for a worker; how many notes there were.

        Raises:
            Refused: When the database is not there; what was not taken in stays where it was.
        """
        return sum(self._all_of(teller) for teller in tellers)

    def purge(self) -> int:
        """Forget what was seen 90 days ago, and what waited for two years; how many."""
        now = self._clock.now()
        return self._database.write(
            lambda connection: store.forget(
                connection, seen_before=now - SEEN_KEPT, told_before=now - UNSEEN_KEPT
            )
        )

    def _all_of(self, teller: Teller) -> int:
        taken = 0
        for _ in range(_ROUNDS_MAX):
            told = teller.tell_waiting(self)
            taken += told
            if not told:
                break
        return taken
