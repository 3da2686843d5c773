"""Queries on certified models and registered places."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.terminals.model import Place, TerminalClass
from shualian.terminals.register.model import (
    CertifiedModel,
    Coordinates,
    PlaceId,
    PlaceSpec,
    RegisteredPlace,
    SoftwareVersion,
    parse_networks,
    parse_version,
    version_text,
)
from shualian.terminals.store import models, places


def add_model(connection: Connection, model: CertifiedModel) -> None:
    """Insert a model."""
    connection.execute(
        insert(models).values(
            certificate=model.certificate,
            maker=model.maker,
            model=model.model,
            terminal_class=model.terminal_class.value,
            valid_until=model.valid_until,
            software_min=version_text(model.software_min),
            software_current=version_text(model.software_current),
        )
    )


def model_by_certificate(connection: Connection, certificate: str) -> CertifiedModel | None:
    """The model with this certificate."""
    row = connection.execute(select(models).where(models.c.certificate == certificate)).first()
    return None if row is None else model_of(row)


def all_models(connection: Connection) -> list[CertifiedModel]:
    """Every model, by certificate."""
    rows = connection.execute(select(models).order_by(models.c.certificate))
    return [model_of(row) for row in rows]


def model_of(row: Row[Any]) -> CertifiedModel:
    """The model in a row that has the columns of ``terminal_model``."""
    column = row._mapping
    return CertifiedModel(
        certificate=column[models.c.certificate],
        maker=column[models.c.maker],
        model=column[models.c.model],
        terminal_class=TerminalClass(column[models.c.terminal_class]),
        valid_until=column[models.c.valid_until],
        software_min=parse_version(column[models.c.software_min]),
        software_current=parse_version(column[models.c.software_current]),
        withdrawn_at=column[models.c.withdrawn_at],
    )


def set_withdrawn(connection: Connection, certificate: str, at: datetime) -> None:
    """Take a certificate away; the first moment stays."""
    _change(connection, certificate, withdrawn_at=at)


def set_valid_until(connection: Connection, certificate: str, until: date) -> None:
    """Prolong a certificate."""
    _change(connection, certificate, valid_until=until)


def set_software(
    connection: Connection,
    certificate: str,
    software_min: SoftwareVersion,
    software_current: SoftwareVersion,
) -> None:
    """Demand other versions."""
    _change(
        connection,
        certificate,
        software_min=version_text(software_min),
        software_current=version_text(software_current),
    )


def add_place(connection: Connection, place: RegisteredPlace) -> None:
    """Insert a place."""
    spec = place.spec
    connection.execute(
        insert(places).values(
            place_id=place.place_id,
            institution=place.institution,
            created_by=place.created_by,
            name=spec.place.name,
            department=spec.place.department,
            latitude=spec.coordinates.latitude,
            longitude=spec.coordinates.longitude,
            fence_m=spec.fence_m,
            terminal_class=spec.terminal_class.value,
            scenes=" ".join(sorted(spec.scenes)),
            mobile=spec.mobile,
            networks=" ".join(map(str, spec.networks)),
        )
    )


def place_by_id(connection: Connection, place_id: PlaceId) -> RegisteredPlace | None:
    """The place with this number."""
    row = connection.execute(select(places).where(places.c.place_id == place_id)).first()
    return None if row is None else place_of(row)


def has_place_named(connection: Connection, institution: InstitutionCode, place: Place) -> bool:
    """Whether an institution has a place of this name in this department."""
    query = select(places.c.place_id).where(
        places.c.institution == institution,
        places.c.name == place.name,
        places.c.department == place.department,
    )
    return connection.execute(query).first() is not None


def places_of(
    connection: Connection, institution: InstitutionCode | None
) -> Sequence[RegisteredPlace]:
    """The places of an institution, or of all."""
    query = select(places).order_by(places.c.institution, places.c.place_id)
    if institution is not None:
        query = query.where(places.c.institution == institution)
    return [place_of(row) for row in connection.execute(query)]


def place_of(row: Row[Any]) -> RegisteredPlace:
    """The place in a row that has the columns of ``terminal_place``."""
    column = row._mapping
    return RegisteredPlace(
        place_id=PlaceId(column[places.c.place_id]),
        institution=InstitutionCode(column[places.c.institution]),
        created_by=StaffId(column[places.c.created_by]),
        spec=PlaceSpec(
            place=Place(name=column[places.c.name], department=column[places.c.department]),
            coordinates=Coordinates(column[places.c.latitude], column[places.c.longitude]),
            fence_m=column[places.c.fence_m],
            terminal_class=TerminalClass(column[places.c.terminal_class]),
            scenes=frozenset(column[places.c.scenes].split()),
            mobile=column[places.c.mobile],
            networks=parse_networks(column[places.c.networks]),
        ),
    )


def _change(connection: Connection, certificate: str, **values: object) -> None:
    change = update(models).where(models.c.certificate == certificate)
    connection.execute(change.values(**values))
