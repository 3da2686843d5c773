"""One run of the simulation: what people, clerks and upkeep do while everything fails.

The seed decides every act, fault and kill. Acts follow one another, and faults and kills are
counted in messages and writes, so that a seed happens again as it happened.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from shualian.core.clock import business_date
from shualian.core.identifiers import new_identifier
from shualian.hospital.wallet.model import DeclineReason
from shualian.sandbox.chaos.network import Killing, Role
from shualian.sandbox.chaos.stage import (
    START,
    FaultyError,
    GoneError,
    Person,
    Place,
    RefusedError,
    Stage,
)
from shualian.sandbox.ewallet.model import FaultKind, NewsFaultKind
from shualian.verification.model import Scene

CODES = ("ZC001", "QT001", "HY001", "JC001", "JC002", "ZL001", "YP001", "YP003", "YP004", "CL001")
TROUBLE = 0.12
"""Share of messages that do not simply arrive."""
DEADLY = 0.4
"""Share of acts during which a process is to die."""
ROUNDS_MAX = 8
"""In which everything must have come to rest once the network is calm."""

_JUMPS = tuple(timedelta(minutes=minutes) for minutes in (1, 6, 11, 45, 130))
_WEIGHTS: Mapping[str, int] = {
    "walk_in": 26,
    "order_more": 6,
    "pay": 10,
    "pay_at_once": 3,
    "repeat": 8,
    "reserve": 5,
    "cancel": 8,
    "refund": 8,
    "give_up": 5,
    "withdraw": 2,
    "take_cash": 4,
    "resolve": 6,
    "late": 4,
    "news": 6,
    "wait": 5,
    "agreement": 2,
    "restart": 2,
    "audit": 2,
}


@dataclass
class Bill:
    """A payment as whoever stands at the kiosk knows it."""

    command: str
    person: Person
    intent: str
    bill: int
    cash: int
    settle: dict[str, Any] | None = None


@dataclass
class Course:
    """What has happened in a run.

    Attributes:
        acts: How many of each, with how they ended.
        log: Every act in its order, for a look at a failing seed.
    """

    acts: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)


class Run:
    """A run over fresh data."""

    def __init__(self, whole: Stage, seed: int, *, acts: int) -> None:
        """Prepare a run of ``acts`` acts."""
        self.course = Course()
        self.faults: list[str] = []
        self.place: Place = whole.copied()
        self._stage = whole
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._acts = acts
        self._now = START
        self._encounters: list[tuple[str, Person]] = []
        self._bills: list[Bill] = []
        network = whole.network
        network.random = Random(seed ^ 0x5EED)  # noqa: S311 - a simulation
        network.trouble = 0.0
        network.forget()
        network.order(None)

    @property
    def now(self) -> datetime:
        """The time of the simulation."""
        return self._now

    @property
    def encounters(self) -> list[str]:
        """Numbers of the visits that were registered."""
        return [number for number, _ in self._encounters]

    def go(self) -> bool:
        """Do all acts, then bring everything to rest; whether it came to rest."""
        self._tell_time()
        for role in Role:
            self._stage.start(role, self.place, self._now)
        names, weights = list(_WEIGHTS), list(_WEIGHTS.values())
        for _ in range(self._acts):
            act = self._random.choices(names, weights)[0]
            self._advance(timedelta(seconds=1))
            self._troubled(act)
        return self._come_to_rest()

    # What people do

    def walk_in(self) -> None:
        """Register, be treated, and pay at once, as far as it goes."""
        person = self._random.choice(self._stage.people)
        evidence = self._scan(person, Scene.REGISTRATION, 0)
        if not evidence:
            return
        asked = {"command": new_identifier(), "record": person.record_no, "evidence": evidence}
        number = self._insisted(Role.HOSPITAL, "register", asked)
        if not isinstance(number, str):
            return
        self._encounters.append((number, person))
        self._order(number)
        bill = self._prepared(number, person)
        if bill is not None:
            self._pay(bill)

    def order_more(self) -> None:
        """Order something more in a visit, and show what is to be paid."""
        if self._encounters:
            number, person = self._random.choice(self._encounters)
            self._order(number)
            self._prepared(number, person)

    def pay(self) -> None:
        """Pay a bill that was shown or waits at the window."""
        if self._bills:
            self._pay(self._random.choice(self._bills))

    def pay_at_once(self) -> None:
        """Two copies of one confirmation arrive together."""
        if self._bills:
            self._pay(self._random.choice(self._bills), act="settle-at-once")

    def repeat(self) -> None:
        """Send a confirmation again, as a kiosk does that got no answer."""
        sent = [bill for bill in self._bills if bill.settle is not None]
        if sent:
            bill = self._random.choice(sent)
            self._asked(Role.HOSPITAL, "settle", bill.settle or {})

    def reserve(self) -> None:
        """Go to the window with a slip."""
        self._of_bill("reserve")

    def cancel(self) -> None:
        """Take a settlement back."""
        self._of_bill("cancel")

    def refund(self) -> None:
        """Give one line back, and perhaps ask for it twice."""
        if not self._bills:
            return
        bill = self._random.choice(self._bills)
        asked = {
            "command": bill.command,
            "refund": new_identifier(),
            "line": self._random.randrange(4),
        }
        self._asked(Role.HOSPITAL, "refund", asked)
        if self._random.random() < 0.3:
            self._asked(Role.HOSPITAL, "refund", asked)

    def give_up(self) -> None:
        """Leave before the outcome is known."""
        self._of_bill("give-up")

    def withdraw(self) -> None:
        """Change one's mind before anything was confirmed."""
        self._of_bill("withdraw")

    def take_cash(self) -> None:
        """Pay the rest in cash."""
        if self._bills:
            bill = self._random.choice(self._bills)
            asked = {"taking": new_identifier(), "command": bill.command}
            self._asked(Role.HOSPITAL, "cash", asked)

    def agreement(self) -> None:
        """Agree to one-scan payment, or take it back."""
        person = self._random.choice(self._stage.people)
        act = self._random.choice(["agree", "disagree"])
        self._asked(Role.HOSPITAL, act, {"person": person.psn_no, "payer": person.payer})

    # What happens by itself

    def resolve(self) -> None:
        """The resolver passes."""
        self._asked(Role.HOSPITAL, "resolve", {})

    def late(self) -> None:
        """What was late arrives."""
        self._stage.network.let_late_arrive()

    def news(self) -> None:
        """The wallet sends its news: late, twice, out of order, or not at all."""
        kind = self._random.choice(list(NewsFaultKind))
        self._asked(Role.WALLET, "news", {"kind": kind.value})

    def wait(self) -> None:
        """Time passes, but not past closing time."""
        jump = self._random.choice(_JUMPS)
        if business_date(self._now + jump + timedelta(hours=4)) == business_date(START):
            self._advance(jump)
        self._asked(Role.WALLET, "expire", {})

    def restart(self) -> None:
        """A process is killed between two acts."""
        self._stage.kill(self._random.choice(list(Role)))

    def audit(self) -> None:
        """The linkers pass."""
        for role in (Role.INSURER, Role.HOSPITAL):
            self._asked(role, "link", {})

    # Trouble

    def _troubled(self, act: str) -> None:
        """One act, perhaps with a process that dies during it, over the troubled network."""
        network = self._stage.network
        self._living()
        self._knob()
        deadly = self._random.random() < DEADLY
        if deadly:
            self._threaten()
        network.trouble = 0.0 if act == "pay_at_once" else TROUBLE
        getattr(self, act)()
        network.trouble = 0.0
        network.order(None)
        if deadly:
            self._asked_each("die", {"write": None, "inside": False})

    def _threaten(self) -> None:
        """Choose who dies, and when: at a message, or at a write."""
        if self._random.random() < 0.5:
            victim = self._random.choice(list(Role))
            message = self._random.randrange(7)
            self._stage.network.order(Killing(victim, message, self._random.random() < 0.5))
            return
        victim = self._random.choice([Role.INSURER, Role.HOSPITAL])
        write, inside = self._random.randrange(7), self._random.random() < 0.6
        self._asked(victim, "die", {"write": write, "inside": inside})

    def _knob(self) -> None:
        """Turn a knob of the wallet now and then."""
        if self._random.random() < 0.15:
            kind = self._random.choice([each for each in FaultKind if each is not FaultKind.SLOW])
            reason = self._random.choice(list(DeclineReason))
            self._asked(Role.WALLET, "fault", {"kind": kind.value, "reason": reason.value})

    def _living(self) -> None:
        """Whoever is dead lives again; an insurer or a wallet not always at once."""
        for role in Role:
            late = role is not Role.HOSPITAL and self._random.random() < 0.3
            if not self._stage.is_alive(role) and not late:
                self._stage.start(role, self.place, self._now)

    # Parts of acts

    def _scan(self, person: Person, scene: Scene, amount: int, intent: str = "") -> dict[str, Any]:
        asked = {
            "person": person.psn_no,
            "scene": scene.value,
            "amount": amount,
            "intent": intent,
            "pin": self._random.random() < 0.8,
        }
        found = self._insisted(Role.INSURER, "proof", asked)
        return found if isinstance(found, dict) else {}

    def _order(self, number: str) -> None:
        codes = self._random.sample(CODES, self._random.randint(1, 4))
        asked = {"command": new_identifier(), "encounter": number, "codes": codes}
        self._insisted(Role.HOSPITAL, "order", asked)

    def _prepared(self, number: str, person: Person) -> Bill | None:
        command = new_identifier()
        asked = {
            "command": command,
            "encounter": number,
            "account": self._random.random() < 0.7,
        }
        shown = self._insisted(Role.HOSPITAL, "prepare", asked)
        if not isinstance(shown, dict):
            return None
        bill = Bill(command, person, shown["intent"], shown["bill"], shown["cash"])
        self._bills.append(bill)
        return bill

    def _pay(self, bill: Bill, act: str = "settle") -> None:
        share = self._random.choice([1.0, 1.0, 0.5, 0.0])
        by_document = self._random.random() < 0.25
        if by_document:
            evidence = {"id_number": bill.person.id_number.value, "intent_id": bill.intent}
        else:
            evidence = self._scan(bill.person, Scene.SETTLEMENT, bill.bill, bill.intent)
        if not evidence:
            return
        asked = {
            "command": bill.command,
            "evidence": evidence,
            "from_wallet": int(bill.cash * share),
        }
        bill.settle = asked
        self._asked(Role.HOSPITAL, act, asked)
        if self._random.random() < 0.3:
            self._asked(Role.HOSPITAL, "settle", asked)

    def _of_bill(self, act: str) -> None:
        if self._bills:
            bill = self._random.choice(self._bills)
            self._asked(Role.HOSPITAL, act, {"command": bill.command})

    # Asking

    def _insisted(self, role: Role, act: str, asked: Mapping[str, Any]) -> object:
        """Ask; when the process died of it, wake it and ask once more with the same command."""
        found = self._asked(role, act, asked)
        if found is _GONE:
            self._stage.start(role, self.place, self._now)
            found = self._asked(role, act, asked)
        return found

    def _asked(self, role: Role, act: str, asked: Mapping[str, Any]) -> object:
        if not self._stage.is_alive(role):
            self._note(act, "dead")
            return None
        try:
            found = self._stage.ask(role, act, asked)
        except GoneError:
            self._stage.kill(role)
            self._note(act, "died")
            return _GONE
        except RefusedError as refused:
            self._note(act, str(refused))
            return None
        except FaultyError as fault:
            self.faults.append(str(fault))
            self._note(act, "FAULT")
            return None
        self._note(act, found.get("state", "done") if isinstance(found, dict) else "done")
        return found

    def _asked_each(self, act: str, asked: Mapping[str, Any]) -> None:
        for role in (Role.INSURER, Role.HOSPITAL):
            self._asked(role, act, asked)

    def _note(self, act: str, outcome: str) -> None:
        if act != "die":
            self.course.acts[f"{act}: {outcome}"] += 1
        self.course.log.append(f"{self._now:%H:%M:%S} {act}: {outcome}")

    def _advance(self, time: timedelta) -> None:
        self._now += time
        self._tell_time()

    def _tell_time(self) -> None:
        self._stage.network.now = self._now.isoformat()

    # Rest

    def _come_to_rest(self) -> bool:
        """The network is calm, the dead live again, what was late arrives, the day is closed."""
        self._restarted()
        self._asked(Role.WALLET, "mend", {})
        at_rest = self._resolved() and self._late_and_resolved()
        self._advance(_until_closing(self._now))
        self._asked(Role.HOSPITAL, "close", {})
        at_rest = self._resolved() and at_rest
        for role in (Role.INSURER, Role.HOSPITAL):
            self._asked(role, "link", {})
        for role in Role:
            self._stage.end(role)
        return at_rest

    def _restarted(self) -> None:
        for role in Role:
            self._stage.end(role)
            self._stage.start(role, self.place, self._now)

    def _late_and_resolved(self) -> bool:
        self._stage.network.let_late_arrive()
        self._asked(Role.WALLET, "news", {"kind": NewsFaultKind.NONE.value})
        return self._resolved()

    def _resolved(self) -> bool:
        for _ in range(ROUNDS_MAX):
            self._advance(timedelta(seconds=5))
            if self._asked(Role.HOSPITAL, "resolve", {}) == 0:
                return True
        return False


_GONE = object()


def _until_closing(now: datetime) -> timedelta:
    return now.replace(hour=14, minute=1, second=0) - now
