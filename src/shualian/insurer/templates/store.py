"""Tables of templates: that somebody has one, enrolments under way, holds, replacements, notes.

The vectors are the gallery's; nothing here can be compared with a face.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import Database, UtcTime
from shualian.core.identifiers import (
    InstitutionCode,
    PersonNo,
    SessionId,
    StaffId,
    new_identifier,
)
from shualian.gallery import store as gallery_store
from shualian.gallery.model import EmbeddingPath, Probe
from shualian.insurer.consents.model import DocumentKind
from shualian.insurer.erasures.model import StoreName
from shualian.insurer.templates.model import (
    APPROVE_WITHIN,
    EnrolmentState,
    HeldTemplate,
    ProposalId,
    Replacement,
    Told,
)
from shualian.insurer.templates.ports import TemplateGallery

metadata = MetaData()

_IDENTIFIER = String(30)
_CODE = String(30)
_PEOPLE_AT_ONCE = 500

held_templates = Table(
    "held_template",
    metadata,
    Column("psn_no", _IDENTIFIER, primary_key=True),
    Column("enrolled_at", UtcTime, nullable=False),
    Column("last_used_at", UtcTime, nullable=False),
    Column("months_max", Integer, nullable=False),
)
enrolments = Table(
    "template_enrolment",
    metadata,
    Column("session_id", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("state", _CODE, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Index("ix_template_enrolment_person", "psn_no", "state"),
)
payment_holds = Table(
    "payment_hold",
    metadata,
    Column("psn_no", _IDENTIFIER, primary_key=True),
    Column("until", UtcTime, nullable=False),
)
replacements = Table(
    "template_replacement",
    metadata,
    Column("proposal_id", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("institution", String(20)),  # NULL: the insurer's own office
    Column("document", _CODE, nullable=False),
    Column("proposed_by", _IDENTIFIER, nullable=False),
    Column("proposed_at", UtcTime, nullable=False),
    Column("approved_by", _IDENTIFIER),
    Column("enrolled_in", _IDENTIFIER),  # capture session of the new template
    Index("ix_template_replacement_person", "psn_no"),
)
notes = Table(
    "person_note",
    metadata,
    Column("note_id", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("what", _CODE, nullable=False),
    Column("claimed_until", UtcTime),
    Column("told_at", UtcTime),
    Index("ix_person_note_told", "told_at"),
)


def held(connection: Connection, psn_no: PersonNo) -> HeldTemplate | None:
    """A person's template."""
    query = select(held_templates).where(held_templates.c.psn_no == psn_no)
    row = connection.execute(query).one_or_none()
    return None if row is None else _held(row)


def held_among(connection: Connection, people: Collection[PersonNo]) -> frozenset[PersonNo]:
    """Those of ``people`` who have a template."""
    found: set[PersonNo] = set()
    asked = sorted(people)
    for start in range(0, len(asked), _PEOPLE_AT_ONCE):
        some = asked[start : start + _PEOPLE_AT_ONCE]
        query = select(held_templates.c.psn_no).where(held_templates.c.psn_no.in_(some))
        found.update(PersonNo(each) for each in connection.scalars(query))
    return frozenset(found)


def held_after(connection: Connection, after: str, count: int) -> list[HeldTemplate]:
    """The next templates in the order of people's numbers."""
    query = select(held_templates).where(held_templates.c.psn_no > after)
    rows = connection.execute(query.order_by(held_templates.c.psn_no).limit(count))
    return [_held(row) for row in rows]


def put_held(connection: Connection, template: HeldTemplate) -> None:
    """Write down that a person has a template."""
    connection.execute(
        insert(held_templates).values(
            psn_no=template.psn_no,
            enrolled_at=template.enrolled_at,
            last_used_at=template.last_used_at,
            months_max=template.months_max,
        )
    )


def count_held(connection: Connection) -> int:
    """How many people have a template."""
    return connection.scalar(select(func.count()).select_from(held_templates)) or 0


def use(connection: Connection, psn_no: PersonNo, at: datetime) -> None:
    """Note a use; an earlier one changes nothing."""
    older = (held_templates.c.psn_no == psn_no) & (held_templates.c.last_used_at < at)
    connection.execute(update(held_templates).where(older).values(last_used_at=at))


def forget_held(connection: Connection, psn_no: PersonNo) -> int:
    """Delete the entry of a person; how many there were."""
    return connection.execute(
        delete(held_templates).where(held_templates.c.psn_no == psn_no)
    ).rowcount


def enrolment_state(connection: Connection, session_id: SessionId) -> EnrolmentState | None:
    """Where the enrolment of a session stands."""
    query = select(enrolments.c.state).where(enrolments.c.session_id == session_id)
    found = connection.scalar(query)
    return None if found is None else EnrolmentState(found)


def begin_enrolment(
    connection: Connection, session_id: SessionId, psn_no: PersonNo, at: datetime
) -> None:
    """Write down that a template is about to be added, for the first time or once more."""
    this = enrolments.c.session_id == session_id
    begun = {"psn_no": psn_no, "state": EnrolmentState.BEGUN.value, "begun_at": at}
    if connection.execute(update(enrolments).where(this).values(begun)).rowcount == 0:
        connection.execute(insert(enrolments).values(session_id=session_id, **begun))


def keep_enrolment(connection: Connection, session_id: SessionId) -> bool:
    """Finish an enrolment; whether it was still under way."""
    return _move(connection, enrolments.c.session_id == session_id, EnrolmentState.KEPT) == 1


def undo_enrolments(connection: Connection, psn_no: PersonNo) -> int:
    """End every enrolment of a person that is under way; how many there were."""
    return _move(connection, enrolments.c.psn_no == psn_no, EnrolmentState.UNDONE)


def count_waiting(connection: Connection, psn_no: PersonNo) -> int:
    """How many enrolments of a person are under way."""
    this = (enrolments.c.psn_no == psn_no) & (enrolments.c.state == EnrolmentState.BEGUN.value)
    return connection.scalar(select(func.count()).select_from(enrolments).where(this)) or 0


def people_waiting(connection: Connection) -> list[PersonNo]:
    """Everybody with an enrolment under way."""
    query = select(enrolments.c.psn_no).where(enrolments.c.state == EnrolmentState.BEGUN.value)
    return [PersonNo(psn_no) for psn_no in connection.scalars(query.distinct())]


def payment_hold(connection: Connection, psn_no: PersonNo) -> datetime | None:
    """Until when a face pays nothing."""
    return connection.scalar(select(payment_holds.c.until).where(payment_holds.c.psn_no == psn_no))


def hold_payment(connection: Connection, psn_no: PersonNo, until: datetime) -> None:
    """Let a face pay nothing until then; an earlier end does not shorten a hold."""
    found = payment_hold(connection, psn_no)
    this = payment_holds.c.psn_no == psn_no
    if found is None:
        connection.execute(insert(payment_holds).values(psn_no=psn_no, until=until))
    elif found < until:
        connection.execute(update(payment_holds).where(this).values(until=until))


def add_replacement(connection: Connection, replacement: Replacement) -> None:
    """Write down a proposal."""
    connection.execute(
        insert(replacements).values(
            proposal_id=replacement.proposal_id,
            psn_no=replacement.psn_no,
            institution=replacement.institution,
            document=replacement.document.value,
            proposed_by=replacement.proposed_by,
            proposed_at=replacement.proposed_at,
        )
    )


def replacement(connection: Connection, proposal_id: ProposalId) -> Replacement | None:
    """A proposal."""
    query = select(replacements).where(replacements.c.proposal_id == proposal_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _replacement(row)


def waiting_replacements(
    connection: Connection, *, now: datetime, psn_no: PersonNo | None = None
) -> list[Replacement]:
    """Proposals that can still be approved, oldest first: of a person, or all."""
    query = select(replacements).where(
        replacements.c.approved_by.is_(None), replacements.c.proposed_at >= now - APPROVE_WITHIN
    )
    if psn_no is not None:
        query = query.where(replacements.c.psn_no == psn_no)
    rows = connection.execute(query.order_by(replacements.c.proposed_at))
    return [_replacement(row) for row in rows]


def approve_replacement(connection: Connection, proposal_id: ProposalId, staff: StaffId) -> None:
    """Write down who approved."""
    this = replacements.c.proposal_id == proposal_id
    connection.execute(update(replacements).where(this).values(approved_by=staff))


def enrolled_anew(connection: Connection, psn_no: PersonNo, session_id: SessionId) -> bool:
    """Close approved replacements of a person with their new template; whether there were any."""
    this = (
        (replacements.c.psn_no == psn_no)
        & replacements.c.approved_by.is_not(None)
        & replacements.c.enrolled_in.is_(None)
    )
    changed = connection.execute(update(replacements).where(this).values(enrolled_in=session_id))
    return changed.rowcount > 0


def add_note(connection: Connection, psn_no: PersonNo, what: Told) -> None:
    """Let a worker tell the person."""
    connection.execute(
        insert(notes).values(note_id=new_identifier(), psn_no=psn_no, what=what.value)
    )


def claim_note(
    connection: Connection, *, now: datetime, claimed_for: timedelta
) -> tuple[str, PersonNo, Told] | None:
    """Take the oldest note that nobody has; after ``claimed_for`` another worker may."""
    free = notes.c.claimed_until.is_(None) | (notes.c.claimed_until <= now)
    query = select(notes).where(notes.c.told_at.is_(None), free).order_by(notes.c.note_id).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    this = notes.c.note_id == row.note_id
    connection.execute(update(notes).where(this).values(claimed_until=now + claimed_for))
    return row.note_id, PersonNo(row.psn_no), Told(row.what)


def close_note(connection: Connection, note_id: str, at: datetime) -> None:
    """Write down that the person was told."""
    connection.execute(update(notes).where(notes.c.note_id == note_id).values(told_at=at))


class GalleryRecords:
    """The gallery's rows of a person, as a store that is searched and erased."""

    name = StoreName.GALLERY_RECORDS

    def __init__(self, *, database: Database, gallery: TemplateGallery, gallery_name: str) -> None:
        self._database = database
        self._gallery = gallery
        self._gallery_name = gallery_name

    def count(self, psn_no: PersonNo) -> int:
        """Rows of the person, of every path and key."""
        return len(
            self._database.read(
                lambda connection: gallery_store.template_ids(
                    connection, self._gallery_name, psn_no
                )
            )
        )

    def erase(self, psn_no: PersonNo) -> int:
        """Delete them, with what the index holds."""
        return self._gallery.delete_subject(psn_no).templates


class SearchIndex:
    """What a search can find of a person; it is searched to know."""

    name = StoreName.SEARCH_INDEX

    def __init__(self, *, gallery: TemplateGallery, paths: tuple[EmbeddingPath, ...]) -> None:
        self._gallery = gallery
        self._probes = tuple(_any_probe(path) for path in paths)

    def count(self, psn_no: PersonNo) -> int:
        """Under how many operational paths the person can be found."""
        return sum(len(self._gallery.identify(each, [psn_no], 1)) for each in self._probes)

    def erase(self, psn_no: PersonNo) -> int:
        """Overwrite the vectors of the person."""
        found = self.count(psn_no)
        self._gallery.delete_subject(psn_no)
        return found


class TemplateRegister:
    """The entry that a person has a template."""

    name = StoreName.TEMPLATE_REGISTER

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def count(self, psn_no: PersonNo) -> int:
        """One or none."""
        return int(self._database.read(lambda each: held(each, psn_no)) is not None)

    def erase(self, psn_no: PersonNo) -> int:
        """Delete it."""
        return self._database.write(lambda connection: forget_held(connection, psn_no))


class WaitingEnrolments:
    """Enrolments that were begun and not finished."""

    name = StoreName.WAITING_ENROLMENTS

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def count(self, psn_no: PersonNo) -> int:
        """How many there are."""
        return self._database.read(lambda connection: count_waiting(connection, psn_no))

    def erase(self, psn_no: PersonNo) -> int:
        """End them; whoever is at it takes its template back."""
        return self._database.write(lambda connection: undo_enrolments(connection, psn_no))


def _any_probe(path: EmbeddingPath) -> Probe:
    vector = np.zeros(path.dimension, np.float32)
    vector[0] = 1
    return Probe(vector, path.path_id)


def _move(connection: Connection, which: ColumnElement[bool], state: EnrolmentState) -> int:
    begun = enrolments.c.state == EnrolmentState.BEGUN.value
    change = update(enrolments).where(which, begun).values(state=state.value)
    return connection.execute(change).rowcount


def _held(row: Row[Any]) -> HeldTemplate:
    return HeldTemplate(PersonNo(row.psn_no), row.enrolled_at, row.last_used_at, row.months_max)


def _replacement(row: Row[Any]) -> Replacement:
    return Replacement(
        proposal_id=ProposalId(row.proposal_id),
        psn_no=PersonNo(row.psn_no),
        institution=None if row.institution is None else InstitutionCode(row.institution),
        document=DocumentKind(row.document),
        proposed_by=StaffId(row.proposed_by),
        proposed_at=row.proposed_at,
        approved_by=None if row.approved_by is None else StaffId(row.approved_by),
    )
