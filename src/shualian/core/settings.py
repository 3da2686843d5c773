"""Every setting in one place, with its meaning, its default and where its value came from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

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


class Settings(BaseSettings):
    """What an operator may set: by environment (``SHUALIAN_NAME``) or a TOML file."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(
        default=Path("var"), description="Folder of the embedded databases and development keys"
    )
    weights_dir: Path | None = Field(
        default=None, description="Operator's folder of face model weights; asked before packages"
    )
    extended_weights: bool = Field(
        default=False,
        description="Use the extended weights, whose training data and origin are not stated",
    )
    insurer_database_url: str | None = Field(
        default=None, description="Insurer database; SQLite in data_dir when not set"
    )
    hospital_database_url: str | None = Field(
        default=None, description="Hospital database; SQLite in data_dir when not set"
    )
    identification_fpir_max: float = Field(
        default=0.01,
        gt=0,
        le=0.01,
        description="Highest share of searches that may name a wrong person (FPIR); "
        "it limits how many people are searched and can only be lowered",
    )
    verification_fmr: float = Field(
        default=1e-3,
        gt=0,
        le=1e-3,
        description="Highest false match rate (FMR) of a comparison; it can only be lowered",
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
    """One setting as it is shown to an operator."""

    name: str
    value: str
    origin: str
    meaning: str


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        Refused: ``core.settings_invalid`` with the name of the first wrong setting.
    """
    try:
        return Settings()
    except ValidationError as invalid:
        first = invalid.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Refused(SETTINGS_INVALID, setting=name, found=first["msg"]) from None


def describe_settings(settings: Settings) -> list[SettingLine]:
    """Every setting with value, origin and meaning; the password of a URL is starred."""
    in_file = _names_in_file(settings)
    return [
        SettingLine(
            name=name,
            value=_shown(getattr(settings, name)),
            origin=_origin(name, in_file),
            meaning=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _settings_file(environment: Mapping[str, str]) -> Path | None:
    named = environment.get(SETTINGS_FILE_VARIABLE)
    return Path(named) if named else None


def _names_in_file(settings: Settings) -> frozenset[str]:
    file = _settings_file(os.environ)
    if file is None:
        return frozenset()
    source = TomlConfigSettingsSource(type(settings), file)
    return frozenset(source())


def _origin(name: str, in_file: frozenset[str]) -> str:
    variable = ENVIRONMENT_PREFIX + name.upper()
    if variable in os.environ:
        return f"environment {variable}"
    return "settings file" if name in in_file else "default"


def _shown(value: Any) -> str:
    text = "" if value is None else str(value)
    scheme, separator, rest = text.partition("://")
    if separator and "@" in rest:
        credentials, _, place = rest.rpartition("@")
        return f"{scheme}://{credentials.partition(':')[0]}:***@{place}"
    return text
