"""The sample province in a folder: loaded once, marked as sample data, unusable in production."""

import json
from pathlib import Path

import pytest

from sandbox.province.conftest import PEOPLE, SEED, Province
from shualian.core.clock import SystemClock
from shualian.core.database.opening import open_database
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.sandbox.authenticator import Authenticator
from shualian.sandbox.province.model import sample_province
from shualian.sandbox.province.service import (
    PORTS,
    PROVINCE_FILE,
    PROVINCE_LOADED,
    SETTINGS_FILE,
    Ports,
    load_province,
    settings_of,
)
from shualian.trust.keys import FileKeys


def test_everybody_of_the_seed_is_insured(province: Province) -> None:
    assert len(province.loaded.people.residents) == PEOPLE
    assert len(set(province.loaded.people.residents)) == PEOPLE
    assert province.told[0].startswith(f"参保人 {PEOPLE + len(province.loaded.people.players)} 人")


def test_every_place_of_the_province_has_its_terminal(province: Province) -> None:
    for hospital in sample_province(SEED, people=0).hospitals:
        folders = province.loaded.terminals[hospital.code]
        assert list(folders) == [spec.place.name for spec in hospital.places]
        assert all((folder / "terminal.json").is_file() for folder in folders.values())


def test_a_folder_with_data_is_refused_and_left_as_it_is(province: Province) -> None:
    before = sorted(province.folder.rglob("*"))

    with pytest.raises(Refused) as refused:
        load_province(province.folder, seed=SEED, clock=SystemClock(), people=0)

    assert refused.value.kind is PROVINCE_LOADED
    assert sorted(province.folder.rglob("*")) == before


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("kept", encoding="utf-8")

    with pytest.raises(Refused) as refused:
        load_province(tmp_path, seed=SEED, clock=SystemClock(), people=0)

    assert refused.value.kind is PROVINCE_LOADED
    assert [each.name for each in tmp_path.iterdir()] == ["something"]


def test_settings_and_list_say_that_it_is_sample_data(province: Province) -> None:
    first_line = (province.folder / SETTINGS_FILE).read_text(encoding="utf-8").splitlines()[0]
    known = json.loads((province.folder / PROVINCE_FILE).read_text(encoding="utf-8"))

    assert "没有真人" in first_line
    assert "no real people" in known["sample_data"]
    assert known["seed"] == SEED


def test_production_refuses_every_database(province: Province) -> None:
    databases = [
        (province.folder / "insurer.sqlite", Side.INSURER),
        *(
            (hospital.folder(province.folder) / "hospital.sqlite", Side.HOSPITAL)
            for hospital in province.settings.hospitals
        ),
    ]

    assert len(databases) == 4
    for file, side in databases:
        with pytest.raises(Refused) as refused:
            open_database(f"sqlite:///{file}", side=side, mode=Mode.PRODUCTION)
        assert refused.value.kind.code == "core.database_mode_differs"


def test_production_refuses_the_keys(province: Province) -> None:
    with pytest.raises(Refused):
        FileKeys(province.folder / "insurer-keys", mode=Mode.PRODUCTION).current("gallery")


def test_an_operators_own_database_is_never_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHUALIAN_INSURER_DATABASE_URL", "sqlite:////precious.sqlite")
    hospitals = sample_province(SEED, people=0).hospitals

    assert settings_of(tmp_path, hospitals, Ports(30_000)).insurer_database_url is None


def test_all_listeners_fit_into_the_ports_of_a_province(province: Province) -> None:
    settings = province.settings
    ports = [
        settings.registry_stand_in_port,
        settings.ewallet_stand_in_port,
        *(int(origin.rpartition(":")[2]) for origin in _origins(settings)),
    ]

    assert len(set(ports)) == len(ports)
    assert all(30_000 <= port < 30_000 + PORTS for port in ports)


def test_the_passkey_of_a_sample_administrator_can_be_used_again(province: Province) -> None:
    known = json.loads((province.folder / PROVINCE_FILE).read_text(encoding="utf-8"))

    for saved in known["passkeys_of_sample_administrators"].values():
        passkey = Authenticator.loaded(saved)
        assert passkey.saved() == saved
        assert passkey.step == 0


def _origins(settings: Settings) -> list[str]:
    found = [settings.terminal_origin, settings.channel_origin, settings.staff_origin]
    for hospital in settings.hospitals:
        found += [hospital.terminal_origin, hospital.staff_origin]
        found += [hospital.wallet_news_origin or ""]
    return found
