"""The stage of the simulation: databases made once and copied for each run, processes, roads."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from shualian.assembly import HOSPITAL_TABLES, INSURER_TABLES, HospitalSide
from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.database.opening import connect_database
from shualian.core.id_number import IdNumber, check_character
from shualian.core.identifiers import (
    CommandId,
    IntentId,
    PersonNo,
    RecordNo,
    new_identifier,
)
from shualian.core.mode import Side
from shualian.core.money import Fen
from shualian.core.refusals import KindsOf, Refused
from shualian.gateway.ewallet.model import NOTIFICATION_PATH
from shualian.gateway.ewallet.service import signing_key
from shualian.gateway.police_registry.model import public_key_text
from shualian.hospital.cashier.shifts.model import DrawerNo
from shualian.hospital.model import FaceEvidence
from shualian.hospital.wallet.model import PayerRef
from shualian.insurer.institutions.model import Institution
from shualian.insurer.persons.model import Insurance
from shualian.sandbox import known_proofs
from shualian.sandbox.chaos.network import Message, Network, Role, road
from shualian.sandbox.chaos.parts import (
    CLERK,
    HOSPITAL,
    NAME,
    REGION,
    Insurer,
    hospital_over,
    insurer_over,
    keys_of_hospital,
    platform_of,
)
from shualian.sandbox.ewallet.model import Terms
from shualian.sandbox.ewallet.server import open_wallet
from shualian.sandbox.known_proofs import KnownProof
from shualian.trust.keys import DevelopmentKeys
from shualian.verification.model import Scene

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
"""09:00 in China; a run ends on the same business day."""
PEOPLE = 6
WALLET_MONEY = Fen(20_000_00)

_NURSERY = "shualian.sandbox.chaos.nursery"
_TERMS = Terms(Fen(800_00), Fen(5_000_00), START - timedelta(days=1), START + timedelta(days=9))

NOT_BORN = KindsOf("sandbox").kind(
    "chaos_process_not_started",
    "演练的一个进程没能启动",
    "A process of the simulation did not start",
    "请看标准错误里的原因",
    "Look at the standard error for why",
)
REFUSALS = (NOT_BORN,)


class GoneError(Exception):
    """A process died, or was dead, when it was asked."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the simulation.

    Attributes:
        psn_no: The insurer's number.
        id_number: On the document.
        record_no: At the hospital.
        payer: The account at the e-wallet.
    """

    psn_no: PersonNo
    id_number: IdNumber
    record_no: RecordNo
    payer: PayerRef


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's data lie.

    Attributes:
        folder: Keys, second place of the audits, the e-wallet, and SQLite files.
        urls: Of the two databases.
    """

    folder: Path
    urls: Mapping[Side, str]


@dataclass
class Stage:
    """Everything that runs of the simulation share.

    Attributes:
        network: The roads.
        origins: Of the roads: insurer, wallet, news.
        people: Of the template.
        wallet_key: Public, of the stand-in.
        kills: How many processes were killed.
        starts: How many were started.
    """

    folder: Path
    server: str | None
    network: Network
    nursery: "subprocess.Popen[str]"
    origins: Mapping[str, str]
    people: list[Person] = field(default_factory=list)
    wallet_key: str = ""
    kills: int = 0
    starts: int = 0
    _alive: dict[Role, int] = field(default_factory=dict)
    # A message may kill somebody while whoever asked finds out and starts it again.
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _name: str = field(default_factory=lambda: new_identifier().lower())

    def place(self, name: str) -> Place:
        """Where the data of the template or of a run lie."""
        folder = self.folder / name
        return Place(folder, {side: self._url(folder, name, side) for side in Side})

    def copied(self) -> Place:
        """Fresh data for a run: a copy of the template."""
        template, place = self.place("template"), self.place("run")
        shutil.rmtree(place.folder, ignore_errors=True)
        shutil.copytree(template.folder, place.folder)
        if self.server is not None:
            for side in Side:
                self._copy_database(self._database("template", side), self._database("run", side))
        return place

    def start(self, role: Role, place: Place, now: datetime) -> None:
        """Let a process be born.

        Raises:
            Refused: ``sandbox.chaos_process_not_started``.
        """
        side = {Role.INSURER: Side.INSURER, Role.HOSPITAL: Side.HOSPITAL}.get(role)
        asked = {
            "role": role.value,
            "now": now.isoformat(),
            "folder": str(place.folder / "wallet" if side is None else place.folder),
            "database": "" if side is None else place.urls[side],
            "wallet_key": self.wallet_key,
            "log": str(place.folder / "stderr.txt"),
            **self.origins,
        }
        with self._lock:
            born = self._told(asked)
            if "failed" in born:
                raise Refused(NOT_BORN, role=role.value, found=born["failed"])
            self.starts += 1
            self._alive[role] = born["pid"]
            self.network.at(role, born["port"])

    def is_alive(self, role: Role) -> bool:
        """Whether it was started and not ended since; one that killed itself counts as alive."""
        return role in self._alive

    def end(self, role: Role) -> None:
        """Kill a process (SIGKILL), and wait until it is gone."""
        with self._lock:
            pid = self._alive.pop(role, None)
            self.network.at(role, None)
            if pid is not None:
                self._told({"end": pid})

    def kill(self, role: Role) -> None:
        """As :meth:`end`, counted."""
        self.kills += role in self._alive
        self.end(role)

    def ask(self, role: Role, act: str, asked: Mapping[str, Any]) -> Any:
        """Ask a process for an act by hand.

        Raises:
            GoneError: When it does not answer.
            RefusedError: When it refuses.
            FaultyError: When it answers with something else.
        """
        headers = (("content-type", "application/json"),)
        body = json.dumps(asked).encode()
        reply = self.network.send(Message(role, "POST", f"/by-hand/{act}", headers, body))
        self.network.wait_until_quiet()
        if reply is None:
            raise GoneError(role.value)
        answer = json.loads(reply.body) if reply.status in {200, 422} else None
        if reply.status == 422 and isinstance(answer, dict):
            raise RefusedError(str(answer["refused"]))
        if reply.status != 200:
            raise FaultyError(f"{role.value} answered {act} with {reply.status}")
        return answer

    def close(self) -> None:
        """End all processes, and drop databases of a server."""
        for role in Role:
            self.end(role)
        if self.server is not None:
            for name in ("run", "template"):
                for side in Side:
                    self._statement("DROP DATABASE IF EXISTS {}", self._database(name, side))

    def _told(self, asked: Mapping[str, Any]) -> Any:
        stdin, stdout = self.nursery.stdin, self.nursery.stdout
        if stdin is None or stdout is None:
            raise AssertionError("a nursery without pipes")
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def _url(self, folder: Path, name: str, side: Side) -> str:
        if self.server is None:
            return f"sqlite:///{folder / side.value}.db"
        parts = urlsplit(self.server)
        return urlunsplit(parts._replace(path="/" + self._database(name, side)))

    def _database(self, name: str, side: Side) -> str:
        return f"chaos_{self._name}_{name}_{side.value}"

    def _copy_database(self, template: str, name: str) -> None:
        self._statement("DROP DATABASE IF EXISTS {}", name)
        self._statement("CREATE DATABASE {} TEMPLATE {}", name, template)

    def _statement(self, text: str, *names: str) -> None:
        url = (self.server or "").replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL(text).format(*map(sql.Identifier, names)))


class FaultyError(Exception):
    """A process answered with neither of what it may."""


class RefusedError(Exception):
    """An act by hand was refused; its text is the refusal's code."""


@contextmanager
def stage(folder: Path, *, server: str | None = None) -> Iterator[Stage]:
    """Set everything up: roads, the nursery, the template of all data.

    Args:
        folder: For everything that is written.
        server: Of PostgreSQL, the URL of a database from which others can be made; none: SQLite.
    """
    with ExitStack() as opened:
        made: list[Stage] = []

        def kill(role: Role) -> None:
            made[0].kill(role)

        network = Network(kill)
        roads = {"insurer": Role.INSURER, "wallet": Role.WALLET, "news": Role.HOSPITAL}
        origins = {name: opened.enter_context(road(network, to)) for name, to in roads.items()}
        nursery = opened.enter_context(
            subprocess.Popen(  # noqa: S603 - this interpreter, this package
                [sys.executable, "-m", _NURSERY],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        whole = Stage(folder, server, network, nursery, origins)
        made.append(whole)
        opened.callback(whole.close)
        _prepare(whole)
        yield whole


def _prepare(whole: Stage) -> None:
    """Make the template: people insured, with accounts, records and agreements."""
    place, clock = whole.place("template"), SettableClock(START)
    place.folder.mkdir(parents=True)
    if whole.server is not None:
        for side in Side:
            whole._statement("CREATE DATABASE {}", whole._database("template", side))
    with both(place, clock, opening=_made) as (insurer, hospital):
        insurer.institutions.contract(Institution(HOSPITAL, NAME, "2", REGION))
        whole.people = [
            _person(insurer, hospital, clock, serial) for serial in range(1, PEOPLE + 1)
        ]
        hospital.desk.shifts.open(
            command_id=CommandId(new_identifier()), drawer=DrawerNo("1"), clerk=CLERK, count={}
        )
    keys = DevelopmentKeys(keys_of_hospital(place.folder))
    origins = whole.origins
    with open_wallet(place.folder / "wallet", clock=clock, origin=origins["wallet"]) as wallet:
        whole.wallet_key = public_key_text(wallet.public_key)
        merchant = signing_key(keys, HOSPITAL).public_key
        wallet.admit(HOSPITAL, merchant, notify_url=origins["news"] + NOTIFICATION_PATH)
        for number, person in enumerate(whole.people):
            # One of them has little money, so that holds are declined now and then.
            money = Fen(150_00) if number == 1 else WALLET_MONEY
            wallet.open_account(person.payer, last_four="1234", balance=money)
            wallet.agree(person.payer, _TERMS)


def _made(url: str, side: Side) -> Database:
    database = connect_database(url)
    for each in INSURER_TABLES if side is Side.INSURER else HOSPITAL_TABLES:
        database.create_tables(each)
    return database


def _reached(url: str, side: Side) -> Database:  # noqa: ARG001 - as _made
    return connect_database(url)


@contextmanager
def both(
    place: Place, clock: SettableClock, *, opening: Callable[[str, Side], Database] = _reached
) -> Iterator[tuple[Insurer, HospitalSide]]:
    """Insurer and hospital in this process, with nobody else at their data."""
    with ExitStack() as opened:
        databases = {
            side: opened.enter_context(closing(opening(place.urls[side], side))) for side in Side
        }
        insurer = insurer_over(databases[Side.INSURER], place.folder, clock)
        hospital = hospital_over(
            databases[Side.HOSPITAL],
            place.folder,
            clock,
            insurer=platform_of(insurer, clock),
            proofs=insurer.verification,
        )
        yield insurer, hospital


def _person(insurer: Insurer, hospital: HospitalSide, clock: SettableClock, serial: int) -> Person:
    digits = f"990000{1950 + serial * 7}0101{serial:03d}"
    number = IdNumber(digits + check_character(digits))
    # Two of six are residents without a personal account.
    kind, psn_type = ("390", "14") if serial % 3 == 0 else ("310", "11")
    psn_no = insurer.insured.persons.register_insured(
        id_number=number, name="测试甲", insurances=[Insurance(kind, psn_type, REGION)]
    ).psn_no
    if kind == "310":
        insurer.funds.credit_personal_account(
            command_id=CommandId(new_identifier()),
            psn_no=psn_no,
            region=REGION,
            amount=Fen(serial * 300_00),
        )
    known = KnownProof(HOSPITAL, psn_no, psn_no, Scene.REGISTRATION, Fen(0))
    proof = insurer.database.write(
        lambda connection: known_proofs.issue(connection, known, now=clock.now())
    )
    evidence = FaceEvidence(
        proof.auth_no,
        IntentId(proof.intent_id),
        proof.scene,
        proof.terminal_id,
        clock.now(),
    )
    record = hospital.records.open_record(command_id=CommandId(new_identifier()), evidence=evidence)
    payer = PayerRef(f"payer-{serial:04d}")
    if serial != PEOPLE:
        hospital.agreements.link(psn_no=psn_no, payer=payer)
    return Person(psn_no, number, record.record_no, payer)
