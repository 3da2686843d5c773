import shutil
from pathlib import Path

import pytest

from shualian.assembly import open_insurer_side
from shualian.core.clock import SystemClock
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.sandbox import city
from shualian.sandbox.samples import sample_pictures

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with people enrolled, closed."""
    folder = tmp_path_factory.mktemp("lived-in")
    insurer = open_insurer_side(Settings(data_dir=folder), mode=Mode.SANDBOX, clock=CLOCK)
    city.people_city(insurer, sample_pictures(), CLOCK)
    insurer.close()
    return folder


@pytest.fixture
def data_dir(lived_in: Path, tmp_path: Path) -> Path:
    shutil.copytree(lived_in, tmp_path / "data")
    return tmp_path / "data"


def _refusal(settings: Settings, mode: Mode = Mode.SANDBOX) -> str:
    with pytest.raises(Refused) as refused:
        open_insurer_side(settings, mode=mode, clock=CLOCK)
    return refused.value.kind.code


def test_what_was_enrolled_is_there_after_a_restart(data_dir: Path) -> None:
    insurer = open_insurer_side(Settings(data_dir=data_dir), mode=Mode.SANDBOX, clock=CLOCK)

    assert insurer.gallery.rebuild().people == len(city.OTHERS) + 1
    insurer.close()


def test_templates_under_lost_keys_stop_the_start(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "insurer-keys" / "gallery.insured.template")

    assert _refusal(Settings(data_dir=data_dir)) == "gallery.template_unreadable"


def test_a_sandbox_database_is_refused_by_production(data_dir: Path) -> None:
    assert _refusal(Settings(data_dir=data_dir), Mode.PRODUCTION) in {
        "core.database_mode_differs",
        "trust.key_foreign",
    }


def test_an_error_rate_that_is_not_proven_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, identification_fmr=1e-5)

    assert _refusal(settings) == "face.error_rate_not_proven"
