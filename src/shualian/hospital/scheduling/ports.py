"""What scheduling needs from outside: whom to expect, results that came, fees that are charged."""

from datetime import date
from typing import Protocol

from shualian.core.identifiers import CommandId, EncounterNo, PersonNo
from shualian.core.money import Fen
from shualian.hospital.ports import Calls


class Expectations(Calls, Protocol):
    """The insurer's side, which looks for the people whom a hospital expects.

    An implementation never runs inside a database transaction. Told again changes nothing.
    """

    def expect(self, psn_no: PersonNo, day: date) -> None:
        """Somebody has a slot on a day.

        Raises:
            Refused: When the day is over or too far ahead, or nobody can be told now.
        """
        ...

    def forget(self, psn_no: PersonNo, day: date) -> None:
        """Somebody has no slot on a day any more.

        Raises:
            Refused: When nobody can be told now.
        """
        ...


class ResultsReady(Protocol):
    """Where results of examinations are kept."""

    def since(self, encounter_no: EncounterNo) -> bool:
        """Whether results of what an encounter ordered came after the patient had left.

        Asked outside of transactions.
        """
        ...


class Fees(Protocol):
    """Where the registration fee becomes a charge item of the visit."""

    def amount(self, code: str) -> Fen:
        """What an item costs today.

        Raises:
            Refused: When it has no price.
        """
        ...

    def charge(self, *, command_id: CommandId, encounter_no: EncounterNo, code: str) -> None:
        """Put the fee on the bill; once for a command.

        Raises:
            Refused: When the item has no price, or the visit takes no more.
        """
        ...

    def withdraw(self, *, command_id: CommandId, encounter_no: EncounterNo) -> None:
        """Take an unpaid fee off the bill; again changes nothing.

        Raises:
            Refused: When it is paid.
        """
        ...
