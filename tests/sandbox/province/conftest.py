"""The sample province with two days of the past, loaded once."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from shualian.core.clock import SystemClock
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.sandbox.province.service import SETTINGS_FILE, Loaded, Ports, load_province
from shualian.sandbox.samples import sample_pictures

SEED, PEOPLE, DAYS = 7, 12, 2


@dataclass(frozen=True)
class Province:
    folder: Path
    loaded: Loaded
    told: list[str]

    @property
    def settings(self) -> Settings:
        text = (self.folder / SETTINGS_FILE).read_text(encoding="utf-8")
        return Settings.model_validate(tomllib.loads(text))


@pytest.fixture(scope="package")
def province(tmp_path_factory: pytest.TempPathFactory) -> Province:
    try:
        sample_pictures()
    except Refused as refused:
        pytest.skip(refused.kind.en)
    folder, told = tmp_path_factory.mktemp("province") / "data", list[str]()
    loaded = load_province(
        folder,
        seed=SEED,
        clock=SystemClock(),
        people=PEOPLE,
        history_days=DAYS,
        ports=Ports(30_000),
        tell=told.append,
    )
    return Province(folder, loaded, told)
