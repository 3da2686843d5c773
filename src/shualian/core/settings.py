"""Every setting in one place, with its meaning, its default and where its value came from."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from shualian.core.refusals import Finality, Helper, RefusalKind, Refused

ENVIRONMENT_PREFIX = "SHUALIAN_"
SETTINGS_FILE_VARIABLE = "SHUALIAN_SETTINGS_FILE"

SETTINGS_INVALID = RefusalKind(
    code="core.settings_invalid",
    zh="设置有错误",
    en="A setting is not valid",
    next_zh="用 shualian settings 查看每项设置的含义并改正",
    next_en="See `shualian settings` for the meaning of each one and correct it",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)

REFUSALS = (SETTINGS_INVALID,)


class RegistryCheck(StrEnum):
    """When the police registry is asked."""

    ALWAYS = "always"
    RISK = "risk"


_ORIGIN = r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$"


class HospitalSettings(BaseModel):
    """One hospital that is served beside the insurer, with a database and listeners of its own.

    Attributes:
        code: Institution code (``fixmedins_code``).
        name: For people.
        name_en: For people who read English.
        database_url: Its database; SQLite in its folder of ``data_dir`` when not set.
        terminal_origin: Canonical origin of its terminals' listener, which they sign.
        staff_origin: Canonical origin of its staff's listener, to which their passkeys belong.
        wallet_news_origin: Canonical origin of its listener that the e-wallet reaches; without
            one no own share is taken from an account.
        closing_time: When its windows close, in China; slips that are not paid are void.
        prices: Its price list; the packaged sample list when not set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^[HP][0-9]{11}$")
    name: str = Field(min_length=1)
    name_en: str = ""
    database_url: str | None = Field(default=None, repr=False)
    terminal_origin: str = Field(pattern=_ORIGIN)
    staff_origin: str = Field(pattern=_ORIGIN)
    wallet_news_origin: str | None = Field(default=None, pattern=_ORIGIN)
    closing_time: time = time(22, 0)
    prices: Path | None = None

    def folder(self, data_dir: Path) -> Path:
        """Where its embedded database and development keys lie."""
        return data_dir / "hospitals" / self.code


class Settings(BaseSettings):
    """What an operator may set: by environment (``SHUALIAN_NAME``) or a TOML file."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    data_dir: Path = Field(
        default=Path("var"), description="Folder of the embedded databases and development keys"
    )
    weights_dir: Path | None = Field(
        default=None, description="Operator's folder of face model weights; asked before packages"
    )
    insurer_database_url: str | None = Field(
        default=None, repr=False, description="Insurer database; SQLite in data_dir when not set"
    )
    identification_fpir_max: float = Field(
        default=0.01,
        gt=0,
        le=0.01,
        description="Highest share of searches that may name a wrong person (FPIR); "
        "it limits how many people are searched and can only be lowered",
    )
    identification_fmr: float = Field(
        default=2.5e-4,
        gt=0,
        le=1e-3,
        description="Highest false match rate (FMR) of each comparison of a search; "
        "it can only be lowered",
    )
    identification_margin: float = Field(
        default=0.05,
        ge=0.05,
        le=1,
        description="How far the best person of a search must lie before the second, in score; "
        "it can only be raised",
    )
    verification_fmr: float = Field(
        default=1e-3,
        gt=0,
        le=1e-3,
        description="Highest false match rate (FMR) of a comparison; it can only be lowered",
    )
    registry_check: RegistryCheck = Field(
        default=RegistryCheck.ALWAYS,
        description="When the police registry compares the face: always, or by risk where a "
        "region allows it",
    )
    registry_url: str | None = Field(
        default=None,
        pattern=_ORIGIN,
        description="Origin of the police registry; without one every scan is degraded",
    )
    registry_public_key: str | None = Field(
        default=None,
        pattern=r"^(ecdsa-p256-sha256|sm2-sm3):04[0-9a-f]{128}$",
        description="Public key that signs the registry's answers; needed in production, noted at "
        "first use in the sandbox",
    )
    emergency_searches_max: int = Field(
        default=10,
        ge=1,
        le=50,
        description="Emergency searches that one hospital may make on one day",
    )
    registry_stand_in_port: int = Field(
        default=8609,
        ge=0,
        le=65_535,
        description="Port of the registry's stand-in, which `serve` runs in the sandbox; 0: any",
    )
    registry_degraded_max_fen: int = Field(
        default=20_000,
        ge=0,
        le=100_000,
        description="The most in fen that a face may settle while the registry is unreachable",
    )
    ewallet_url: str | None = Field(
        default=None,
        pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$",
        description="Origin of the e-wallet; without one every own share is paid at the cashier",
    )
    ewallet_public_key: str | None = Field(
        default=None,
        pattern=r"^(ecdsa-p256-sha256|sm2-sm3):04[0-9a-f]{128}$",
        description="Public key that signs the e-wallet's answers and news; needed in production, "
        "noted at first use in the sandbox",
    )
    ewallet_stand_in_port: int = Field(
        default=8610,
        ge=0,
        le=65_535,
        description="Port of the e-wallet's stand-in, which `serve` runs in the sandbox beside a "
        "hospital; 0: any",
    )
    doctor_sign_in_hours: int = Field(
        default=10, ge=1, le=12, description="Hours that a doctor's sign-in holds, at most"
    )
    doctor_sign_in_regions: str | None = Field(
        default=None,
        pattern=r"^([0-9]{6}( [0-9]{6})*)?$",
        description="Care regions, with blanks between them, in which only orders of doctors who "
        "were signed in are taken; where the registry lists a doctor, when not set",
    )
    ward_draws_per_day: int = Field(
        default=2, ge=1, le=6, description="Ward checks are drawn so often a day in each hospital"
    )
    ward_draw_share: float = Field(
        default=0.1, gt=0, le=1, description="Share of a ward's in-patients that one draw picks"
    )
    template_months: int = Field(
        default=24, ge=1, le=36, description="Months until an unused face template is deleted"
    )
    backup_days: int = Field(
        default=30, ge=1, le=90, description="Days until a deleted row is gone from backups too"
    )
    access_log_months: int = Field(
        default=36,
        ge=6,
        le=36,
        description="Months that a person's access log is kept, with capture sessions and proofs: "
        "processing records three years (PIPL 56), network logs at least six months "
        "(Cybersecurity Law 21); the audit stays",
    )
    insurer_name: str = Field(
        default="示例市医疗保障局", description="Who handles face data, as the notice names it"
    )
    insurer_phone: str = Field(
        default="0990-12393", description="Telephone of that office, for people"
    )
    terminal_origin: str = Field(
        default="http://localhost:8443",
        pattern=_ORIGIN,
        description="Canonical origin of the terminal listener, which terminals sign",
    )
    terminal_networks: str = Field(
        default="127.0.0.0/8 ::1/128",
        description="Networks that may reach the terminal listener, with blanks between them",
    )
    channel_origin: str = Field(
        default="http://localhost:8444",
        pattern=_ORIGIN,
        description="Canonical origin of the listener that certified channels reach and sign",
    )
    staff_origin: str = Field(
        default="http://localhost:8000",
        description="Canonical origin of the staff listener, to which passkeys belong",
    )
    hospitals: tuple[HospitalSettings, ...] = Field(
        default=(),
        repr=False,
        description="Hospitals that are served beside: [[hospitals]] in the file, JSON in the "
        "environment; each with code, name, terminal_origin, staff_origin",
    )
    audit_checkpoints_dir: Path | None = Field(
        default=None,
        description="Folder of the second place, where signed audit checkpoints are exported; "
        "in data_dir when not set, which guards less",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - signature of the library
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources: code, environment, file."""
        file = _settings_file(os.environ)
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as it is shown to an operator.

    Attributes:
        name: As in the TOML file; the environment variable is ``SHUALIAN_`` and it in capitals.
        value: In force, passwords starred.
        origin: ``default``, ``settings file``, ``environment SHUALIAN_...`` or ``code``.
        meaning: One sentence.
    """

    name: str
    value: str
    origin: str
    meaning: str


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        Refused: ``core.settings_invalid`` with the name of the first wrong setting: a value out
            of its range, a name that does not exist, a file that cannot be read.
    """
    _refuse_unknown_variables(os.environ)
    _refuse_unreadable_file(os.environ)
    try:
        return Settings()
    except ValidationError as invalid:
        first = invalid.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Refused(SETTINGS_INVALID, setting=name, found=first["msg"]) from None


def describe_settings(settings: Settings) -> list[SettingLine]:
    """Every setting with value, origin and meaning; passwords are starred."""
    in_file = _names_in_file(settings)
    return [
        SettingLine(
            name=name,
            value=_shown(getattr(settings, name)),
            origin=_origin(name, settings, in_file),
            meaning=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {SETTINGS_FILE_VARIABLE, *map(_variable, Settings.model_fields)}
    for variable in sorted(environment):
        if variable.upper().startswith(ENVIRONMENT_PREFIX) and variable.upper() not in known:
            nearest = get_close_matches(variable.upper(), sorted(known), n=1)
            found = f"no such setting; perhaps {nearest[0]}" if nearest else "no such setting"
            raise Refused(SETTINGS_INVALID, setting=variable, found=found)


def _refuse_unreadable_file(environment: Mapping[str, str]) -> None:
    file = _settings_file(environment)
    if file is None:
        return
    try:
        tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as failure:
        found = failure.strerror or "cannot be read"
    except UnicodeDecodeError:
        found = "not UTF-8"
    except tomllib.TOMLDecodeError as failure:
        found = f"not TOML: {failure}"
    else:
        return
    raise Refused(SETTINGS_INVALID, setting=SETTINGS_FILE_VARIABLE, file=str(file), found=found)


def _settings_file(environment: Mapping[str, str]) -> Path | None:
    named = environment.get(SETTINGS_FILE_VARIABLE)
    return Path(named) if named else None


def _names_in_file(settings: Settings) -> frozenset[str]:
    file = _settings_file(os.environ)
    if file is None:
        return frozenset()
    source = TomlConfigSettingsSource(type(settings), file)
    return frozenset(source())


def _origin(name: str, settings: Settings, in_file: frozenset[str]) -> str:
    if name not in settings.model_fields_set:
        return "default"
    given = {variable.upper() for variable, value in os.environ.items() if value}
    if _variable(name) in given:
        return f"environment {_variable(name)}"
    return "settings file" if name in in_file else "code"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(hospital.code for hospital in value)
    text = "" if value is None else str(value)
    if "://" not in text:
        return text
    try:
        url = make_url(text)
    except ArgumentError:
        return "***"
    secrets = {key: "***" for key in url.query if "pass" in key.lower()}
    shown = url.update_query_dict(secrets).render_as_string(hide_password=True)
    return shown.replace("%2A%2A%2A", "***")
