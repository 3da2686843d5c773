from pathlib import Path

import pytest

from shualian.core.clock import SystemClock
from shualian.sandbox.settlement_bench import measure


@pytest.mark.parametrize("engine", ["sqlite_url", "postgres_url"])
def test_the_benchmark_settles_on_both_engines_and_its_books_are_coherent(
    request: pytest.FixtureRequest, engine: str
) -> None:
    url = request.getfixturevalue(engine)

    rate = measure(url, clients=2, seconds=0.01, clock=SystemClock(), people=60)

    assert rate.settlements == 80
    assert rate.settlements_per_s > 0
    assert rate.raw_per_s > 0
    assert rate.p50_ms <= rate.p99_ms


def test_a_second_run_over_the_same_file_goes_through(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/again.db"

    first = measure(url, clients=1, seconds=0.01, clock=SystemClock(), people=60)
    second = measure(url, clients=1, seconds=0.01, clock=SystemClock(), people=60)

    assert first.settlements == second.settlements
