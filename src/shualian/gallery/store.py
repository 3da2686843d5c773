"""Tables of the gallery: the truth from which every index is made."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import TemplateId
from shualian.gallery.model import SubjectId, TemplateRecord

metadata = MetaData()


galleries = Table(
    "gallery",
    metadata,
    Column("gallery", String(64), primary_key=True),
    # Rows of this key count; rows of another are a rotation that has not ended.
    Column("key_id", String(64), nullable=False),
)

templates = Table(
    "gallery_template",
    metadata,
    Column("template_id", String(26), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column(
        "gallery",
        ForeignKey(galleries.c.gallery, name="fk_gallery_template_gallery"),
        nullable=False,
    ),
    Column("subject", String(64), nullable=False),
    Column("path_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("enrolled_at", UtcTime, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_gallery_template_subject", "gallery", "subject"),
)

_RECORD = [column for column in templates.c if column is not templates.c.gallery]


def open_gallery(connection: Connection, gallery: str, key_id: str) -> str:
    """The key whose rows count; a gallery that is new begins with ``key_id``."""
    live = live_key(connection, gallery)
    if live is None:
        connection.execute(insert(galleries).values(gallery=gallery, key_id=key_id))
    return live or key_id


def live_key(connection: Connection, gallery: str) -> str | None:
    """The key whose rows count; locks the gallery until the end of a writing transaction."""
    return connection.scalar(
        select(galleries.c.key_id).where(galleries.c.gallery == gallery).with_for_update()
    )


def insert_records(connection: Connection, gallery: str, records: Sequence[TemplateRecord]) -> None:
    """Add template records."""
    if records:
        rows = [{"gallery": gallery, **asdict(record)} for record in records]
        connection.execute(insert(templates), rows)


def records_after(
    connection: Connection, gallery: str, key_id: str, template_id: str, records_max: int
) -> list[TemplateRecord]:
    """The next records of a key in the order of their identifiers."""
    rows = connection.execute(_page(gallery, key_id, template_id, records_max))
    return [TemplateRecord(**row._mapping) for row in rows]


def unmoved_after(
    connection: Connection,
    gallery: str,
    key_ids: tuple[str, str],
    template_id: str,
    records_max: int,
) -> list[TemplateRecord]:
    """The next records under the first key that have no twin under the second."""
    old, new = key_ids
    twin = templates.alias()
    has_twin = exists().where(twin.c.template_id == templates.c.template_id, twin.c.key_id == new)
    rows = connection.execute(_page(gallery, old, template_id, records_max).where(~has_twin))
    return [TemplateRecord(**row._mapping) for row in rows]


def standing(
    connection: Connection, key_id: str, chosen: Collection[TemplateId]
) -> set[TemplateId]:
    """Which of the chosen templates stand under a key."""
    query = select(templates.c.template_id).where(templates.c.key_id == key_id)
    return set(connection.scalars(query.where(templates.c.template_id.in_(chosen))))


def people_besides(connection: Connection, gallery: str, subject: SubjectId) -> int:
    """How many other people have a template in the gallery."""
    people = func.count(templates.c.subject.distinct())
    others = (templates.c.gallery == gallery) & (templates.c.subject != subject)
    return connection.scalar(select(people).where(others)) or 0


def template_ids(
    connection: Connection, gallery: str, subject: SubjectId, path_id: str | None = None
) -> set[TemplateId]:
    """The templates of a subject, under one path or all."""
    owned = (templates.c.gallery == gallery) & (templates.c.subject == subject)
    query = select(templates.c.template_id).where(owned)
    if path_id is not None:
        query = query.where(templates.c.path_id == path_id)
    return set(connection.scalars(query))


def delete_templates(connection: Connection, chosen: Collection[TemplateId]) -> None:
    """Delete templates, under whatever key their rows stand."""
    connection.execute(delete(templates).where(templates.c.template_id.in_(chosen)))


def count_of_key(connection: Connection, gallery: str, key_id: str) -> int:
    """How many rows stand under a key."""
    of_key = (templates.c.gallery == gallery) & (templates.c.key_id == key_id)
    return connection.scalar(select(func.count()).select_from(templates).where(of_key)) or 0


def switch_key(connection: Connection, gallery: str, key_id: str) -> None:
    """From now on the rows of ``key_id`` count; the others are deleted."""
    connection.execute(
        update(galleries).where(galleries.c.gallery == gallery).values(key_id=key_id)
    )
    delete_other_keys(connection, gallery, key_id)


def delete_other_keys(connection: Connection, gallery: str, key_id: str) -> None:
    """Delete the rows that do not stand under ``key_id``."""
    others = (templates.c.gallery == gallery) & (templates.c.key_id != key_id)
    connection.execute(delete(templates).where(others))


def _page(gallery: str, key_id: str, template_id: str, records_max: int) -> Select[tuple[Any, ...]]:
    return (
        select(*_RECORD)
        .where(templates.c.gallery == gallery, templates.c.key_id == key_id)
        .where(templates.c.template_id > template_id)
        .order_by(templates.c.template_id)
        .limit(records_max)
    )
