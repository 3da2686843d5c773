"""What a played visit is made of: its steps, who paid what, and what is known of a patient."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shualian.core.money import Fen, format_yuan
from shualian.sandbox.province.cast import Player
from shualian.sandbox.steps import Step

MINUTE_MS = 60_000
"""What a whole visit promises to cost a person before machines."""


@dataclass(frozen=True, slots=True)
class Paid:
    """Who paid what of a bill, in fen.

    Attributes:
        total_fen: The whole bill.
        fund_fen: All funds together.
        account_fen: The personal account.
        wallet_fen: The person's own share, from the e-payment account.
        cash_fen: The person's own share that is left for cash.
    """

    total_fen: int
    fund_fen: int
    account_fen: int
    wallet_fen: int
    cash_fen: int

    @classmethod
    def of(cls, amounts: Mapping[str, Any], *, wallet_fen: int = 0) -> "Paid":
        """From amounts under the names of the national interface."""
        own = int(amounts["psn_cash_pay"])
        return cls(
            total_fen=int(amounts["medfee_sumamt"]),
            fund_fen=int(amounts["fund_pay_sumamt"]),
            account_fen=int(amounts["acct_pay"]),
            wallet_fen=wallet_fen,
            cash_fen=own - wallet_fen,
        )

    @classmethod
    def together(cls, bills: Iterable["Paid"]) -> "Paid":
        """Several bills as one."""
        listed = list(bills)
        return cls(
            *(sum(getattr(each, name) for each in listed) for name in cls.__dataclass_fields__)
        )

    @property
    def adds_up(self) -> bool:
        """Whether the payers together pay the bill."""
        payers = self.fund_fen + self.account_fen + self.wallet_fen + self.cash_fen
        return payers == self.total_fen

    @property
    def split(self) -> tuple[int, int, int, int]:
        """Bill, funds, personal account, own share: what must not depend on the channel."""
        return (
            self.total_fen,
            self.fund_fen,
            self.account_fen,
            self.wallet_fen + self.cash_fen,
        )

    def __str__(self) -> str:
        payers = {
            "基金": self.fund_fen,
            "个人账户": self.account_fen,
            "电子支付": self.wallet_fen,
            "现金": self.cash_fen,
        }
        paid = " + ".join(f"{who} {format_yuan(Fen(fen))}" for who, fen in payers.items() if fen)
        return f"{format_yuan(Fen(self.total_fen))} 元 = {paid or '0.00'}"


@dataclass(frozen=True, slots=True)
class Done:
    """What a step came to.

    Attributes:
        detail: What happened, in Chinese.
        paid: Who paid what, of a step that settled something.
        own: Whether it is time that the patient stands before a machine.
    """

    detail: str
    paid: Paid | None = None
    own: bool = False


Act = Callable[[], Done]


@dataclass(frozen=True, slots=True)
class VisitStep(Step):
    """A step of the visit with who paid and whose time it was."""

    paid: Paid | None = None
    own: bool = False


@dataclass(slots=True)
class Visit:
    """What is known of one patient's visit while it is played.

    Attributes:
        player: Who it is.
        record_no: Of the record.
        encounter_no: Of the visit, or of the stay.
        queue_no: In the queue.
        orders: Numbers of the orders by kind.
        bills: What was settled, in order.
    """

    player: Player
    record_no: str = ""
    encounter_no: str = ""
    queue_no: str = ""
    orders: dict[str, str] = field(default_factory=dict)
    bills: list[Paid] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)

    @property
    def id_number(self) -> str:
        """Of the sample person."""
        return self.player.person.id_number

    def document(self, intent_id: str) -> Mapping[str, Any]:
        """The ID document as evidence at a window."""
        return {"kind": "document", "id_number": self.id_number, "intent_id": intent_id}
