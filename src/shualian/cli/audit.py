"""`shualian audit verify`: does the audit chain of a database still hold?"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from shualian.core.database import PostgresDatabase
from shualian.core.database.identity import database_identity
from shualian.core.database.refusals import DATABASE_URL_INVALID
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from shualian.core.settings import Settings, load_settings
from shualian.trust.audit.checkpoints import CHECKPOINTS_FOLDER, CheckpointFolder
from shualian.trust.audit.model import AUDIT_UNREADABLE, Break, BreakKind
from shualian.trust.audit.service import ChainReport, PublicKeys, public_keys_of, verify_chain
from shualian.trust.keys import FileKeys

T = TypeVar("T")

BROKEN_EXIT_CODE = 1

_WORDS = {
    BreakKind.ALTERED: ("记录被改动", "was altered"),
    BreakKind.DELETED: ("记录被删除", "was deleted"),
    BreakKind.REORDERED: ("记录顺序被调换", "was put elsewhere"),
    BreakKind.INSERTED: ("记录是插进来的", "was put in afterwards"),
    BreakKind.REWRITTEN: ("从这条起被整段重写过", "and what follows it were written anew"),
    BreakKind.CUT_TAIL: ("从这条起尾部被截掉", "and all after it were cut off"),
    BreakKind.FORGED_CHECKPOINT: ("检查点是伪造或损坏的", "a checkpoint is forged or damaged"),
    BreakKind.NO_CHECKPOINT: ("没有这条链的检查点", "there is no checkpoint of this chain"),
    BreakKind.OTHER_CHAIN: ("不是这条链", "the database holds another chain or none"),
}


def verify(
    database: Annotated[
        str | None, typer.Option(help="Address; by default the insurer's of the settings")
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of the exported checkpoints, the second place"),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of keys; by default that of the side"),
    ] = None,
    chain: Annotated[str | None, typer.Option(help="Name that the chain must have")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Walk the audit chain, name the first broken record; status 1 when it is broken.

    Reads only, beside a running server too.
    """
    settings = load_settings()
    url = database or insurer_url(settings)
    folder = checkpoints or _usual_checkpoints(settings, database)
    # Before the database: its chain only grows, so what is exported now is there then.
    lines = None if folder is None else CheckpointFolder(folder).everything()
    believed = None if folder is None else _public_keys(url, settings, keys)
    report = read_beside(
        url,
        lambda connection: verify_chain(
            connection, chain=chain, checkpoints=lines, public_keys=believed
        ),
    )
    if as_json:
        print(json.dumps(_members(report), ensure_ascii=False))
    else:
        _print_report(report)
    if not report.intact:
        raise typer.Exit(BROKEN_EXIT_CODE)


def insurer_url(settings: Settings) -> str:
    """Address of the insurer's database."""
    return settings.insurer_database_url or f"sqlite:///{settings.data_dir / 'insurer.sqlite'}"


def _usual_checkpoints(settings: Settings, database: str | None) -> Path | None:
    usual = settings.data_dir / CHECKPOINTS_FOLDER
    return usual if database is None and usual.is_dir() else None


def _public_keys(url: str, settings: Settings, folder: Path | None) -> PublicKeys:
    identity = read_beside(
        url, lambda connection: connection.execute(select(database_identity)).one_or_none()
    )
    if identity is None:
        raise Refused(AUDIT_UNREADABLE, found="a database that does not say what it is for")
    usual = _folder_of(url, settings) / f"{Side(identity.side)}-keys"
    return public_keys_of(FileKeys(folder or usual, mode=Mode(identity.mode)))


def _folder_of(url: str, settings: Settings) -> Path:
    """Where the keys of an embedded database lie: beside it."""
    address = make_url(url)
    if address.drivername == "sqlite" and address.database:
        return Path(address.database).parent
    return settings.data_dir


def read_beside(url: str, work: Callable[[Connection], T]) -> T:
    """Run ``work`` on one snapshot of a database that it cannot write.

    Raises:
        Refused: ``trust.audit_unreadable`` for a database that has no audit or is damaged.
    """
    try:
        driver = make_url(url).drivername
    except ArgumentError:
        raise Refused(DATABASE_URL_INVALID) from None
    try:
        return _read_sqlite(url, work) if driver == "sqlite" else _read_postgres(url, work)
    except SQLAlchemyError as failure:
        found = getattr(failure, "orig", None) or failure
        raise Refused(AUDIT_UNREADABLE, found=type(found).__name__) from None


def _read_sqlite(url: str, work: Callable[[Connection], T]) -> T:
    """Without the lock of the server: SQLite lets other processes read."""
    path = Path(make_url(url).database or "").resolve()
    if not path.is_file():
        raise Refused(AUDIT_UNREADABLE, found="no such file")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        # What somebody put into a column must not end the walk, but be found on it.
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        return work(connection)


def _read_postgres(url: str, work: Callable[[Connection], T]) -> T:
    database = PostgresDatabase(url)
    try:
        return database.read(work)
    finally:
        database.close()


def _members(report: ChainReport) -> dict[str, object]:
    broken = [asdict(found) for found in report.breaks]
    names = ("chain", "records", "last_hash", "unlinked", "checkpoints", "checked_until")
    members: dict[str, object] = {name: getattr(report, name) for name in names}
    first = broken[0] if broken else None
    return {"intact": report.intact, **members, "first_broken": first, "breaks": broken}


def _print_report(report: ChainReport) -> None:
    table = Table(show_header=False)
    table.add_row("chain", report.chain or "-")
    table.add_row("good records", str(report.records))
    table.add_row("last hash", report.last_hash)
    table.add_row("events not linked yet", str(report.unlinked))
    if report.checkpoints is not None:
        table.add_row("good checkpoints", str(report.checkpoints))
        table.add_row("checked until record", str(report.checked_until))
    console = Console(soft_wrap=True)
    console.print(table)
    for found in report.breaks:
        console.print(f"[red]✗[/red] {_sentence(found)}")
    if report.intact:
        console.print("[green]✓[/green] 审计链完整。The chain holds.")
    if report.checkpoints is None:
        console.print(
            "没有给出检查点：尾部被截掉或整条重写都看不出来。"
            "Without checkpoints a cut tail or a chain made anew cannot be noticed."
        )


def _sentence(found: Break) -> str:
    zh, en = _WORDS[found.kind]
    if found.sequence is not None:
        return f"第 {found.sequence} 条：{zh}。Record {found.sequence} {en}."
    if found.line is not None:
        return f"检查点文件第 {found.line} 行：{zh}。Line {found.line} of the checkpoints: {en}."
    return f"{zh}。{en[0].upper()}{en[1:]}."
