"""`shualian bench settlement`: settlements and one-scan payments a second, beside the raw limit."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.clock import SystemClock

if TYPE_CHECKING:
    from shualian.sandbox.payment_bench import WalletBy

_LOWEST = ("settlements_per_s", "ratio_to_raw_limit", "payments_per_s")


def bench(
    clients: Annotated[int, typer.Option(min=1, max=64, help="Threads that settle at once")] = 8,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3_600, help="Measured time of each kind and engine")
    ] = 20,
    db: Annotated[
        str | None,
        typer.Option(
            help="URL of a database for this only. Without it: a SQLite file, and a PostgreSQL"
            " server of its own where one can be started."
        ),
    ] = None,
    wallet: Annotated[
        str,
        typer.Option(
            help="How payments reach the e-wallet's stand-in: direct (in this process),"
            " http (signed, on loopback), both, or none: no payments"
        ),
    ] = "direct",
    people: Annotated[int, typer.Option(min=1, max=100_000, help="Insured people")] = 2_000,
    print_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Measure settlements and one-scan payments a second; the first beside the same writes alone.

    Every kind runs in this one process, which is printed with its processor time; the e-wallet is
    the stand-in over its real books.
    """
    wallets = _wallets(wallet)
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, _urls(db, Path(folder)) as urls:
        for url in urls:
            measured += _measured(url, clients, seconds, wallets, people)
    counted = [each for each in measured if each.get("wallet") != "http"]
    lowest = {
        name: min(each[name] for each in counted if name in each)
        for name in _LOWEST
        if any(name in each for each in counted)
    }
    if print_json:
        print(json.dumps({**lowest, "engines": measured}))
        return
    for each in measured:
        _print(each)


def _wallets(named: str) -> "list[WalletBy]":
    from shualian.sandbox.payment_bench import WalletBy

    if named == "none":
        return []
    if named == "both":
        return list(WalletBy)
    if named not in {each.value for each in WalletBy}:
        raise typer.BadParameter("direct, http, both or none")
    return [WalletBy(named)]


@contextmanager
def _urls(db: str | None, folder: Path) -> Iterator[list[str]]:
    from shualian.sandbox.postgres_server import PostgresServer, can_run

    if db is not None:
        yield [db]
        return
    urls = [f"sqlite:///{folder}/settlements.db"]
    if not can_run():
        yield urls
        return
    server = PostgresServer(durable=True)
    try:
        yield [*urls, server.url]
    finally:
        server.stop()


def _measured(
    url: str, clients: int, seconds: float, wallets: "list[WalletBy]", people: int
) -> Iterator[dict[str, Any]]:
    from shualian.sandbox import payment_bench, settlement_bench

    clock = SystemClock()
    yield asdict(
        settlement_bench.measure(url, clients=clients, seconds=seconds, clock=clock, people=people)
    )
    for by in wallets:
        yield asdict(
            payment_bench.measure(
                url, clients=clients, seconds=seconds, clock=clock, by=by, people=people
            )
        )


def _print(measured: dict[str, Any]) -> None:
    from shualian.sandbox import payment_bench, settlement_bench

    targets = {
        "settlements_per_s": settlement_bench.TARGET_PER_S,
        "ratio_to_raw_limit": settlement_bench.TARGET_RATIO,
        "payments_per_s": payment_bench.TARGET_PER_S,
    }
    table = Table("measured", "value", "target")
    for name, value in measured.items():
        table.add_row(name, str(value), str(targets.get(name, "")))
    Console().print(table)
