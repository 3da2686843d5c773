"""Whether both halves and the wallet agree, asked while the servers run.

The day's three books are compared by the hospital and told to its staff over HTTP. The double
entry and the audit chains are read beside the running servers, from databases that this process
cannot write, as an auditor reads them.
"""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, NullPool, create_engine

from shualian.core.clock import business_date
from shualian.core.mode import Mode
from shualian.core.money import Fen, format_yuan
from shualian.core.settings import Settings
from shualian.insurer.funds import store as funds
from shualian.sandbox.steps import expect
from shualian.sandbox.visit.stage import ADMINISTRATOR, Stage
from shualian.sandbox.visit.story import Done
from shualian.trust.audit.checkpoints import CHECKPOINTS_FOLDER, CheckpointFolder
from shualian.trust.audit.service import ChainReport, public_keys_of, verify_chain
from shualian.trust.keys import FileKeys

T = TypeVar("T")


class Books:
    """Questions to both halves."""

    def __init__(self, stage: Stage, settings: Settings) -> None:
        self._stage = stage
        self._settings = settings

    def agree(self) -> Done:
        """Insurer, hospital and wallet name the same amounts; the ledger is coherent."""
        day = business_date(self._stage.clock.now())
        chief = self._stage.staff(ADMINISTRATOR)
        found: Mapping[str, Any] = chief.get(f"/hospital/v1/cashier/days/{day}")
        expect(not found["differences"], "three books that agree", found["differences"])
        hospital, insurer = found["hospital"], found["insurer"]
        expect(hospital["totals"] == insurer, "the insurer's totals", insurer)
        expect(not hospital["undecided"], "decided payments", hospital["undecided"])
        check = _read(self._settings.data_dir / "insurer.sqlite", funds.check_books)
        expect(check.coherent, "coherent books", check)
        total, wallet = (
            format_yuan(Fen(fen)) for fen in (insurer["medfee_fen"], hospital["wallet_fen"])
        )
        return Done(
            f"三方对账一致：医院、医保都是 {insurer['lines']} 笔 {total} 元，电子账户 {wallet} 元；"
            f"复式账平（分录合计 {check.sum_of_entries} 分）"
        )

    def audited(self) -> Done:
        """Both audit chains hold, against their checkpoints in the second place."""
        hospital = self._stage.hospital
        own = hospital.folder(self._settings.data_dir)
        insurer = self._settings.data_dir
        chains = [
            self._verified(insurer / "insurer.sqlite", insurer / "insurer-keys"),
            self._verified(own / "hospital.sqlite", own / "hospital-keys"),
        ]
        for chain in chains:
            expect(not chain.breaks, "an intact chain", chain.breaks)
        told = "、".join(f"{chain.chain} {chain.records} 条" for chain in chains)
        return Done(f"审计链完整：{told}")

    def _verified(self, database: Path, keys: Path) -> ChainReport:
        # Before the database: its chain only grows, so what is exported now is there then.
        lines = CheckpointFolder(self._settings.data_dir / CHECKPOINTS_FOLDER).everything()
        believed = public_keys_of(FileKeys(keys, mode=Mode.SANDBOX))
        return _read(
            database,
            lambda connection: verify_chain(connection, checkpoints=lines, public_keys=believed),
        )


def _read(database: Path, work: Callable[[Connection], T]) -> T:
    """Run ``work`` on one snapshot of a database that cannot be written from here."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        return work(connection)
