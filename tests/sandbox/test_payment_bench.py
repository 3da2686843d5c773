import pytest

from shualian.core.clock import SystemClock
from shualian.sandbox.payment_bench import WalletBy, measure


@pytest.mark.parametrize("engine", ["sqlite_url", "postgres_url"])
def test_whole_one_scan_payments_are_made_on_both_engines_and_all_books_are_coherent(
    request: pytest.FixtureRequest, engine: str
) -> None:
    url = request.getfixturevalue(engine)

    rate = measure(url, clients=2, seconds=0.01, clock=SystemClock(), people=8)

    assert rate.payments == 40
    assert rate.payments_per_s > 0
    assert rate.settle_p50_ms <= rate.settle_p99_ms


def test_payments_over_signed_http_are_told_as_such(sqlite_url: str) -> None:
    by = WalletBy.HTTP

    rate = measure(sqlite_url, clients=1, seconds=0.01, clock=SystemClock(), by=by, people=2)

    assert (rate.wallet, rate.payments) == ("http", 20)
