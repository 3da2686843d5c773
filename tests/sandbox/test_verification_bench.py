"""The benchmark of captures runs and every capture comes to a decision; no time is judged."""

from dataclasses import asdict
from pathlib import Path

import pytest

from shualian.core.clock import SystemClock
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.sandbox.samples import sample_pictures
from shualian.sandbox.verification_bench import Load, VerificationRates, measure

TERMINALS = 2


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> VerificationRates:
    try:
        sample_pictures()
    except Refused as refused:
        pytest.skip(refused.kind.en)
    folder: Path = tmp_path_factory.mktemp("bench")
    settings = Settings(data_dir=folder)
    return measure(settings, clock=SystemClock(), terminals=TERMINALS, captures=1)


def _decided(load: Load) -> int:
    return load.verified + load.unknown + sum(load.refused.values())


def test_every_capture_is_decided(rates: VerificationRates) -> None:
    assert (rates.one.terminals, rates.one.captures) == (1, 2)
    assert (rates.many.terminals, rates.many.captures) == (TERMINALS, TERMINALS)
    for load in (rates.one, rates.many):
        assert _decided(load) == load.captures
        assert load.busy == 0


def test_half_of_the_captures_are_passive_and_half_active(rates: VerificationRates) -> None:
    # Five good frames are enough for a passive one; three turns take more.
    assert "not_as_asked" not in {**rates.one.refused, **rates.many.refused}
    assert rates.one.frames_per_capture > 5


def test_the_engine_is_a_part_of_the_insurers_time(rates: VerificationRates) -> None:
    for load in (rates.one, rates.many):
        assert 0 < load.engine_share < 1
        assert load.looks_per_capture == load.frames_per_capture
        assert load.measures_per_capture >= 5


def test_every_latency_has_its_percentiles_in_order(rates: VerificationRates) -> None:
    for load in (rates.one, rates.many):
        for latency in (load.begin, load.hint, load.turning, load.decision):
            assert 0 < latency.median_ms <= latency.p95_ms <= latency.p99_ms


def test_the_numbers_name_nobody(rates: VerificationRates) -> None:
    texts = [value for value in asdict(rates).values() if isinstance(value, str)]

    assert texts == []
