"""Settings: one place, origin shown, nothing misspelt passes, safety only tightened."""

import os
from pathlib import Path

import pytest

from shualian.core.refusals import Refused
from shualian.core.settings import (
    SETTINGS_FILE_VARIABLE,
    SettingLine,
    Settings,
    describe_settings,
    load_settings,
)

PASSWORD = "open-sesame"  # noqa: S105


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.upper().startswith("SHUALIAN_"):
            monkeypatch.delenv(variable)


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "settings.toml"
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, str(file))
    return file


def line(name: str, settings: Settings | None = None) -> SettingLine:
    (found,) = (
        line for line in describe_settings(settings or load_settings()) if line.name == name
    )
    return found


def refused(setting: str) -> str:
    with pytest.raises(Refused) as refusal:
        load_settings()
    assert refusal.value.kind.code == "core.settings_invalid"
    assert refusal.value.details["setting"] == setting
    return str(refusal.value)


def test_a_setting_comes_from_the_environment_then_the_file_then_the_default(
    monkeypatch: pytest.MonkeyPatch, settings_file: Path
) -> None:
    settings_file.write_text('data_dir = "from-file"\nverification_fmr = 1e-4\n')
    monkeypatch.setenv("SHUALIAN_DATA_DIR", "from-environment")
    assert line("data_dir").value == "from-environment"
    assert line("data_dir").origin == "environment SHUALIAN_DATA_DIR"
    assert line("verification_fmr").value == "0.0001"
    assert line("verification_fmr").origin == "settings file"
    assert line("identification_margin").value == "0.05"
    assert line("identification_margin").origin == "default"
    assert line("weights_dir", Settings(weights_dir=Path("w"))).origin == "code"


def test_a_variable_in_small_letters_counts_and_an_empty_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("shualian_data_dir", "small")
    monkeypatch.setenv("SHUALIAN_WEIGHTS_DIR", "")
    settings = load_settings()
    assert line("data_dir", settings).origin == "environment SHUALIAN_DATA_DIR"
    assert settings.weights_dir is None
    assert line("weights_dir", settings).origin == "default"


def test_every_setting_has_a_meaning() -> None:
    lines = describe_settings(load_settings())
    assert {line.name for line in lines} == set(Settings.model_fields)
    assert all(line.meaning for line in lines)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            f"postgresql+psycopg://clerk:{PASSWORD}@db.example/insurer",
            "postgresql+psycopg://clerk:***@db.example/insurer",
        ),
        (
            f"postgresql+psycopg://clerk@db.example/insurer?password={PASSWORD}&sslmode=require",
            "postgresql+psycopg://clerk@db.example/insurer?password=***&sslmode=require",
        ),
        (f"://{PASSWORD}@x", "***"),
        ("sqlite:///var/insurer.db", "sqlite:///var/insurer.db"),
    ],
)
def test_a_password_is_starred_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    monkeypatch.setenv("SHUALIAN_INSURER_DATABASE_URL", url)
    settings = load_settings()
    assert settings.insurer_database_url == url
    assert line("insurer_database_url", settings).value == shown
    assert PASSWORD not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identification_fpir_max", "0.02"),
        ("identification_fpir_max", "0"),
        ("identification_fpir_max", "nan"),
        ("identification_fpir_max", "-1"),
        ("verification_fmr", "0.01"),
        ("verification_fmr", "inf"),
        ("verification_fmr", "strict"),
        ("identification_margin", "maybe"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_the_name_of_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SHUALIAN_{name.upper()}", value)
    refused(name)


def test_what_safety_fixes_can_be_tightened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHUALIAN_VERIFICATION_FMR", "1e-6")
    monkeypatch.setenv("SHUALIAN_IDENTIFICATION_FPIR_MAX", "0.001")
    settings = load_settings()
    assert (settings.verification_fmr, settings.identification_fpir_max) == (1e-6, 0.001)


def test_a_misspelt_variable_is_refused_and_the_right_one_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHUALIAN_VERIFICATON_FMR", "1e-5")
    assert "perhaps SHUALIAN_VERIFICATION_FMR" in refused("SHUALIAN_VERIFICATON_FMR")


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("shualian_x", "1")
    assert "no such setting" in refused("shualian_x")


def test_a_misspelt_name_in_the_file_is_refused(settings_file: Path) -> None:
    settings_file.write_text("verification_fnr = 1e-5\n")
    refused("verification_fnr")


def test_a_wrong_value_in_the_file_is_refused(settings_file: Path) -> None:
    settings_file.write_text("verification_fmr = 0.5\n")
    refused("verification_fmr")


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"data_dir = ", "not TOML"), (b"\xff\xfe", "not UTF-8"), (b"[a\n", "not TOML")],
)
def test_a_file_that_is_not_toml_is_refused(
    settings_file: Path, content: bytes, found: str
) -> None:
    settings_file.write_bytes(content)
    assert found in refused(SETTINGS_FILE_VARIABLE)


def test_a_file_that_is_missing_or_a_folder_is_refused(settings_file: Path) -> None:
    assert "No such file" in refused(SETTINGS_FILE_VARIABLE)
    settings_file.mkdir()
    assert "directory" in refused(SETTINGS_FILE_VARIABLE)
