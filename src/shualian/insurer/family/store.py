"""Tables of family bindings, of proposals and of what is still to be told; numbers only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    ForeignKey,
    Index,
    MetaData,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId, new_identifier
from shualian.insurer.family.model import (
    Binding,
    BindingId,
    Document,
    FamilyNews,
    Ground,
    Kinship,
    Proposal,
    ProposalId,
    Terms,
    WindowReason,
)

metadata = MetaData()

_IDENTIFIER = String(30)


def _terms_columns() -> tuple[Column[Any], ...]:
    return (
        Column("holder", _IDENTIFIER, nullable=False),
        Column("relative", _IDENTIFIER, nullable=False),
        Column("kinship", String(20), nullable=False),
        Column("ground", String(10), nullable=False),
        Column("reason", String(20)),
        Column("documents", String(120), nullable=False),
        Column("institution", String(12)),  # NULL: a terminal, or the insurer's own window
    )


family_binding = Table(
    "family_binding",
    metadata,
    Column("binding_id", _IDENTIFIER, primary_key=True),
    *_terms_columns(),
    Column("since", UtcTime, nullable=False),
    Column("ends_on", Date),
    Column("review_due_on", Date),
    Column("ended_at", UtcTime),
    Index("ix_family_binding_holder", "holder"),
    Index("ix_family_binding_relative", "relative"),
    Index("ix_family_binding_review", "review_due_on"),
)
family_proposal = Table(
    "family_proposal",
    metadata,
    Column("proposal_id", _IDENTIFIER, primary_key=True),
    *_terms_columns(),
    Column("proposed_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("proposed_by", _IDENTIFIER),  # NULL: the holder, at a terminal
    Column("binding_id", ForeignKey(family_binding.c.binding_id)),
    Column("dropped_at", UtcTime),
    Index("ix_family_proposal_holder", "holder"),
    Index("ix_family_proposal_relative", "relative"),
)
family_notice = Table(
    "family_notice",
    metadata,
    Column("notice_id", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("what", String(40), nullable=False),
    Column("made_at", UtcTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is still to be told.

    Attributes:
        notice_id: Its number.
        psn_no: To whom.
        what: What.
    """

    notice_id: str
    psn_no: PersonNo
    what: FamilyNews


def add_binding(connection: Connection, binding: Binding) -> None:
    """Insert a binding."""
    connection.execute(
        insert(family_binding).values(
            binding_id=binding.binding_id,
            since=binding.since,
            ends_on=binding.ends_on,
            review_due_on=binding.review_due_on,
            **_terms_values(binding.terms),
        )
    )


def binding(connection: Connection, binding_id: BindingId) -> Binding | None:
    """The binding with this number, whatever became of it."""
    found = _bindings(connection, family_binding.c.binding_id == binding_id)
    return found[0] if found else None


def of_holder(connection: Connection, holder: PersonNo) -> Sequence[Binding]:
    """The bindings of a holder that nobody undid, the oldest first."""
    table = family_binding
    return _bindings(connection, table.c.holder == holder, table.c.ended_at.is_(None))


def of_relative(connection: Connection, relative: PersonNo) -> Sequence[Binding]:
    """The bindings of a relative that nobody undid, the oldest first."""
    table = family_binding
    return _bindings(connection, table.c.relative == relative, table.c.ended_at.is_(None))


def of_pair(connection: Connection, holder: PersonNo, relative: PersonNo) -> Sequence[Binding]:
    """Every binding that a pair has or had."""
    table = family_binding
    return _bindings(connection, table.c.holder == holder, table.c.relative == relative)


def reviewed_until(connection: Connection, day: date) -> Sequence[Binding]:
    """The bindings that nobody undid and whose review is due on or before ``day``."""
    table = family_binding
    return _bindings(connection, table.c.review_due_on <= day, table.c.ended_at.is_(None))


def set_review(connection: Connection, binding_id: BindingId, due_on: date) -> None:
    """Move the day until which a binding holds without another review."""
    chosen = family_binding.c.binding_id == binding_id
    connection.execute(update(family_binding).where(chosen).values(review_due_on=due_on))


def end(connection: Connection, binding_id: BindingId, at: datetime) -> None:
    """Undo a binding."""
    chosen = family_binding.c.binding_id == binding_id
    connection.execute(update(family_binding).where(chosen).values(ended_at=at))


def add_proposal(connection: Connection, proposal: Proposal) -> None:
    """Insert a proposal that waits."""
    connection.execute(
        insert(family_proposal).values(
            proposal_id=proposal.proposal_id,
            proposed_at=proposal.proposed_at,
            expires_at=proposal.expires_at,
            proposed_by=proposal.proposed_by,
            **_terms_values(proposal.terms),
        )
    )


def proposal(connection: Connection, proposal_id: ProposalId) -> Proposal | None:
    """The proposal with this number, whatever became of it."""
    query = select(family_proposal).where(family_proposal.c.proposal_id == proposal_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _proposal(row)


def proposed_by_holder(
    connection: Connection, holder: PersonNo, now: datetime
) -> Sequence[Proposal]:
    """A holder's proposals that wait."""
    return _waiting(connection, family_proposal.c.holder == holder, now=now)


def proposed_to_relative(
    connection: Connection, relative: PersonNo, now: datetime
) -> Sequence[Proposal]:
    """The proposals that wait for a relative's own act, the oldest first."""
    table = family_proposal
    by_holder = table.c.proposed_by.is_(None)
    return _waiting(connection, table.c.relative == relative, by_holder, now=now)


def proposed_at_windows(connection: Connection, now: datetime) -> Sequence[Proposal]:
    """The window bindings that wait for a second member of staff, the oldest first."""
    return _waiting(connection, family_proposal.c.proposed_by.is_not(None), now=now)


def accept(connection: Connection, proposal_id: ProposalId, binding_id: BindingId) -> None:
    """Note the binding that a proposal became."""
    chosen = family_proposal.c.proposal_id == proposal_id
    connection.execute(update(family_proposal).where(chosen).values(binding_id=binding_id))


def drop(connection: Connection, proposal_id: ProposalId, at: datetime) -> None:
    """Note that a proposal was taken back."""
    chosen = family_proposal.c.proposal_id == proposal_id
    connection.execute(update(family_proposal).where(chosen).values(dropped_at=at))


def forget_proposals(connection: Connection, before: datetime) -> int:
    """Delete the proposals that expired before a moment; how many there were."""
    old = family_proposal.c.expires_at < before
    return connection.execute(delete(family_proposal).where(old)).rowcount


def add_notice(connection: Connection, psn_no: PersonNo, what: FamilyNews, at: datetime) -> None:
    """Note that somebody is to be told something."""
    connection.execute(
        insert(family_notice).values(
            notice_id=new_identifier(), psn_no=psn_no, what=what.value, made_at=at
        )
    )


def notices(connection: Connection, limit: int) -> Sequence[Notice]:
    """What is still to be told, the oldest first."""
    query = select(family_notice).order_by(family_notice.c.notice_id).limit(limit)
    return [
        Notice(row.notice_id, PersonNo(row.psn_no), FamilyNews(row.what))
        for row in connection.execute(query)
    ]


def told(connection: Connection, notice_ids: Iterable[str]) -> None:
    """Note that these were told."""
    chosen = family_notice.c.notice_id.in_(list(notice_ids))
    connection.execute(delete(family_notice).where(chosen))


def _terms_values(terms: Terms) -> dict[str, str | None]:
    return {
        "holder": terms.holder,
        "relative": terms.relative,
        "kinship": terms.kinship.value,
        "ground": terms.ground.value,
        "reason": None if terms.reason is None else terms.reason.value,
        "documents": " ".join(sorted(terms.documents)),
        "institution": terms.institution,
    }


def _bindings(connection: Connection, *conditions: ColumnElement[bool]) -> Sequence[Binding]:
    table = family_binding
    query = select(table).where(*conditions).order_by(table.c.since, table.c.binding_id)
    return [_binding(row) for row in connection.execute(query)]


def _waiting(
    connection: Connection, *conditions: ColumnElement[bool], now: datetime
) -> Sequence[Proposal]:
    table = family_proposal
    open_ones = (table.c.binding_id.is_(None), table.c.dropped_at.is_(None))
    query = (
        select(table)
        .where(*conditions, *open_ones, table.c.expires_at > now)
        .order_by(table.c.proposed_at, table.c.proposal_id)
    )
    return [_proposal(row) for row in connection.execute(query)]


def _terms(row: Row[Any]) -> Terms:
    return Terms(
        holder=PersonNo(row.holder),
        relative=PersonNo(row.relative),
        kinship=Kinship(row.kinship),
        ground=Ground(row.ground),
        reason=None if row.reason is None else WindowReason(row.reason),
        documents=frozenset(Document(each) for each in row.documents.split()),
        institution=None if row.institution is None else InstitutionCode(row.institution),
    )


def _binding(row: Row[Any]) -> Binding:
    return Binding(
        binding_id=BindingId(row.binding_id),
        terms=_terms(row),
        since=row.since,
        ends_on=row.ends_on,
        review_due_on=row.review_due_on,
        ended_at=row.ended_at,
    )


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        proposal_id=ProposalId(row.proposal_id),
        terms=_terms(row),
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        proposed_by=None if row.proposed_by is None else StaffId(row.proposed_by),
        binding_id=None if row.binding_id is None else BindingId(row.binding_id),
        dropped_at=row.dropped_at,
    )
