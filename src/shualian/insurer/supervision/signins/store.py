"""Tables of doctors, where they may work, what they agreed to, and their sign-ins."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
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

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId, TerminalId
from shualian.insurer.institutions.store import contracted_institution
from shualian.insurer.supervision.signins.model import (
    ConfirmationReason,
    DoctorCode,
    DoctorConsent,
    Practice,
    SignIn,
    SignInId,
    SignInMeans,
)

metadata = MetaData()

_IDENTIFIER = String(30)

doctors = Table(
    "supervision_doctor",
    metadata,
    Column("code", _IDENTIFIER, primary_key=True),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("id_number_sealed", LargeBinary, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("registered_at", UtcTime, nullable=False),
)
practices = Table(
    "supervision_practice",
    metadata,
    Column("code", _IDENTIFIER, ForeignKey("supervision_doctor.code"), primary_key=True),
    Column("institution", String(12), primary_key=True),
    Column("dept_code", _IDENTIFIER, primary_key=True),
    Index("ix_supervision_practice_institution", "institution"),
)
consents = Table(
    "supervision_doctor_consent",
    metadata,
    Column("code", _IDENTIFIER, ForeignKey("supervision_doctor.code"), primary_key=True),
    Column("given_at", UtcTime, primary_key=True),
    Column("notice_version", _IDENTIFIER, nullable=False),
    Column("withdrawn_at", UtcTime),
)
sign_ins = Table(
    "supervision_sign_in",
    metadata,
    Column("sign_in_id", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, nullable=False, unique=True),
    Column("doctor", _IDENTIFIER, ForeignKey("supervision_doctor.code"), nullable=False),
    Column("institution", String(12), nullable=False),
    Column("dept_code", _IDENTIFIER, nullable=False),
    Column("means", String(10), nullable=False),
    Column("terminal_id", _IDENTIFIER),
    Column("confirmed_by", _IDENTIFIER),
    Column("reason", String(20)),
    Column("signed_in_at", UtcTime, nullable=False),
    Column("valid_until", UtcTime, nullable=False),
    Column("signed_out_at", UtcTime),
    Index("ix_supervision_sign_in_doctor", "doctor", "signed_in_at"),
    Index("ix_supervision_sign_in_institution", "institution", "signed_in_at"),
)


@dataclass(frozen=True, slots=True)
class SealedDoctor:
    """A doctor as the database holds one.

    Attributes:
        code: Of the doctor.
        name_sealed: Encrypted.
        id_number_sealed: Encrypted.
        practices: Where the doctor may work.
        suspended: Whether the doctor may not sign in.
    """

    code: DoctorCode
    name_sealed: bytes
    id_number_sealed: bytes
    practices: frozenset[Practice]
    suspended: bool


def add_doctor(connection: Connection, doctor: SealedDoctor, *, at: datetime) -> None:
    """Insert a doctor."""
    connection.execute(
        insert(doctors).values(
            code=doctor.code,
            name_sealed=doctor.name_sealed,
            id_number_sealed=doctor.id_number_sealed,
            suspended=doctor.suspended,
            registered_at=at,
        )
    )
    put_practices(connection, doctor.code, doctor.practices)


def put_practices(connection: Connection, code: DoctorCode, wanted: Collection[Practice]) -> None:
    """Say anew where a doctor may work."""
    connection.execute(delete(practices).where(practices.c.code == code))
    rows = [
        {"code": code, "institution": each.institution, "dept_code": each.dept_code}
        for each in wanted
    ]
    if rows:
        connection.execute(insert(practices), rows)


def put_suspended(connection: Connection, code: DoctorCode, *, suspended: bool) -> None:
    """Say whether a doctor may sign in."""
    connection.execute(update(doctors).where(doctors.c.code == code).values(suspended=suspended))


def lock_doctor(connection: Connection, code: DoctorCode) -> None:
    """Let nobody else sign this doctor in or out until this transaction ends."""
    row = select(doctors.c.code).where(doctors.c.code == code)
    connection.execute(row.with_for_update(key_share=True))


def find_doctor(connection: Connection, code: DoctorCode) -> SealedDoctor | None:
    """The doctor with this code."""
    row = connection.execute(select(doctors).filter_by(code=code)).one_or_none()
    if row is None:
        return None
    places = connection.execute(select(practices).filter_by(code=code))
    return SealedDoctor(
        code=DoctorCode(row.code),
        name_sealed=row.name_sealed,
        id_number_sealed=row.id_number_sealed,
        practices=frozenset(
            Practice(InstitutionCode(each.institution), each.dept_code) for each in places
        ),
        suspended=row.suspended,
    )


def doctors_at(connection: Connection, institution: InstitutionCode) -> Sequence[DoctorCode]:
    """Codes of the doctors who may work at an institution."""
    query = select(practices.c.code).filter_by(institution=institution).distinct()
    return [DoctorCode(code) for code in connection.scalars(query.order_by(practices.c.code))]


def has_doctors(connection: Connection, region: str) -> bool:
    """Whether the registry lists a doctor in a care region."""
    table = contracted_institution
    query = (
        select(practices.c.code)
        .join(table, table.c.fixmedins_code == practices.c.institution)
        .where(table.c.region == region)
        .limit(1)
    )
    return connection.scalar(query) is not None


def add_consent(connection: Connection, consent: DoctorConsent) -> None:
    """Insert a consent."""
    connection.execute(
        insert(consents).values(
            code=consent.code,
            given_at=consent.given_at,
            notice_version=consent.notice_version,
        )
    )


def consent_of(connection: Connection, code: DoctorCode) -> DoctorConsent | None:
    """The doctor's consent in force."""
    query = select(consents).where(consents.c.code == code, consents.c.withdrawn_at.is_(None))
    row = connection.execute(query).first()
    if row is None:
        return None
    return DoctorConsent(DoctorCode(row.code), row.notice_version, row.given_at)


def withdraw_consent(connection: Connection, code: DoctorCode, *, at: datetime) -> int:
    """End a doctor's consent; how many ended."""
    return connection.execute(
        update(consents)
        .where(consents.c.code == code, consents.c.withdrawn_at.is_(None))
        .values(withdrawn_at=at)
    ).rowcount


def add_sign_in(connection: Connection, sign_in: SignIn) -> None:
    """Insert a sign-in."""
    connection.execute(insert(sign_ins).values(_row(sign_in)))


def put_sign_out(connection: Connection, sign_in: SignIn) -> None:
    """Store when a sign-in ended."""
    connection.execute(
        update(sign_ins)
        .where(sign_ins.c.sign_in_id == sign_in.sign_in_id)
        .values(signed_out_at=sign_in.signed_out_at)
    )


def by_command(connection: Connection, command_id: CommandId) -> SignIn | None:
    """The sign-in that a command made."""
    row = connection.execute(select(sign_ins).filter_by(command_id=command_id)).one_or_none()
    return None if row is None else _sign_in(row)


def open_of_doctor(connection: Connection, code: DoctorCode, *, now: datetime) -> Sequence[SignIn]:
    """A doctor's sign-ins that have not ended at ``now``, wherever."""
    query = select(sign_ins).where(
        sign_ins.c.doctor == code,
        sign_ins.c.valid_until > now,
        sign_ins.c.signed_out_at.is_(None),
    )
    return [_sign_in(row) for row in connection.execute(query)]


def overlapping(
    connection: Connection,
    institution: InstitutionCode,
    wanted: Collection[DoctorCode],
    *,
    since: datetime,
    until: datetime,
) -> Sequence[SignIn]:
    """Sign-ins of these doctors at an institution that held at some time from ``since``.

    Args:
        connection: Of the insurer's database.
        institution: Where.
        wanted: Whose.
        since: UTC.
        until: UTC, itself included.
    """
    held_until = func.coalesce(sign_ins.c.signed_out_at, sign_ins.c.valid_until)
    query = select(sign_ins).where(
        sign_ins.c.institution == institution,
        sign_ins.c.doctor.in_(sorted(wanted)),
        sign_ins.c.signed_in_at <= until,
        held_until > since,
    )
    return [_sign_in(row) for row in connection.execute(query)]


def listed(
    connection: Connection,
    *,
    institution: InstitutionCode | None,
    since: datetime,
    until: datetime,
) -> Sequence[SignIn]:
    """Sign-ins made in ``[since, until)``, the newest first, of one institution or of all."""
    query = select(sign_ins).where(
        sign_ins.c.signed_in_at >= since, sign_ins.c.signed_in_at < until
    )
    if institution is not None:
        query = query.where(sign_ins.c.institution == institution)
    query = query.order_by(sign_ins.c.signed_in_at.desc()).limit(2_000)
    return [_sign_in(row) for row in connection.execute(query)]


def _row(sign_in: SignIn) -> dict[str, Any]:
    return {
        "sign_in_id": sign_in.sign_in_id,
        "command_id": sign_in.command_id,
        "doctor": sign_in.doctor,
        "institution": sign_in.institution,
        "dept_code": sign_in.dept_code,
        "means": sign_in.means.value,
        "terminal_id": sign_in.terminal_id,
        "confirmed_by": sign_in.confirmed_by,
        "reason": sign_in.reason.value if sign_in.reason else None,
        "signed_in_at": sign_in.signed_in_at,
        "valid_until": sign_in.valid_until,
        "signed_out_at": sign_in.signed_out_at,
    }


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(
        sign_in_id=SignInId(row.sign_in_id),
        command_id=CommandId(row.command_id),
        doctor=DoctorCode(row.doctor),
        institution=InstitutionCode(row.institution),
        dept_code=row.dept_code,
        means=SignInMeans(row.means),
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        confirmed_by=None if row.confirmed_by is None else StaffId(row.confirmed_by),
        reason=None if row.reason is None else ConfirmationReason(row.reason),
        signed_in_at=row.signed_in_at,
        valid_until=row.valid_until,
        signed_out_at=row.signed_out_at,
    )
