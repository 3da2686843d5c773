"""What dispensing needs from its neighbours: lines of medicine, whether they are paid, refunds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from sqlalchemy import Connection

from shualian.core.identifiers import ChargeItemNo, CommandId, EncounterNo
from shualian.core.money import Fen
from shualian.hospital.dispensing.model import PrescribedLine, Standing
from shualian.hospital.orders.model import PriceList


class PricesWithin(Protocol):
    """The price list of a day, for the unit in which a medicine is counted."""

    def on_within(self, connection: Connection, day: date) -> PriceList:
        """The list that holds on a business day.

        Raises:
            Refused: ``hospital.no_price_list``.
        """
        ...


class Prescriptions(Protocol):
    """Signed prescriptions as their charge items; read inside the transaction that decides."""

    def medicine(
        self, connection: Connection, encounter_no: EncounterNo
    ) -> Sequence[PrescribedLine]:
        """The lines of medicine of an encounter that are signed and not withdrawn."""
        ...

    def standings(
        self,
        connection: Connection,
        encounter_no: EncounterNo,
        numbers: Collection[ChargeItemNo],
    ) -> Mapping[ChargeItemNo, Standing]:
        """Whether each of the lines is paid."""
        ...


@dataclass(frozen=True, slots=True)
class RefundDone:
    """What a refund in part gave back.

    Attributes:
        refunded_fen: In all, to whatever it was paid from.
        instead: By which line the kept quantity of a line stands from now on.
    """

    refunded_fen: Fen
    instead: Mapping[ChargeItemNo, ChargeItemNo]


class Refunds(Protocol):
    """Gives money of settled lines back to where it came from."""

    def refund(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        quantities: Mapping[ChargeItemNo, Decimal],
        reason: str,
    ) -> RefundDone:
        """Give back so much of each line; the same command is answered as the first time.

        Raises:
            Refused: ``FINAL``: nothing was given back and nothing will be; every other end means
                that it is not known, and the same command is asked again.
        """
        ...
