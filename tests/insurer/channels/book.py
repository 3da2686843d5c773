"""A book of consents for tests: a table of its own, written inside the caller's transaction."""

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select

from shualian.core.database import Database, UtcTime
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.insurer.consents.model import GUARDIAN_MISSING, Channel, GivenBy
from shualian.verification.model import ConsentPurpose

metadata = MetaData()
given = Table(
    "test_consent_given",
    metadata,
    Column("psn_no", String(30)),
    Column("purpose", String(30)),
    Column("notice_version", String(32)),
    Column("channel", String(30)),
    Column("given_at", UtcTime),
    Column("given_by", String(30)),
)
NOTICE = "2026-01"
OUTDATED = RefusalKind(
    "test.notice_outdated", "旧", "Old", "重来", "Again", Helper.SELF, Finality.FINAL
)


class Book:
    """Takes consents under the present notice only."""

    def __init__(self, database: Database) -> None:
        database.create_tables(metadata)
        self._database = database
        self.children: set[PersonNo] = set()

    def in_force(self, psn_no: PersonNo) -> frozenset[ConsentPurpose]:
        return frozenset(ConsentPurpose(each) for each in self.of(psn_no))

    def give_inside(
        self,
        psn_no: PersonNo,
        purposes: Collection[ConsentPurpose],
        *,
        notice_version: str,
        at: datetime,
        given_by: GivenBy,
        channel: Channel,
    ) -> Callable[[Connection], object]:
        # Like the real one it reads first, so it must not be asked inside a transaction.
        self._database.read(lambda connection: connection.execute(select(given)).all())

        def write(connection: Connection) -> None:
            if notice_version != NOTICE:
                raise Refused(OUTDATED)
            if psn_no in self.children:
                raise Refused(GUARDIAN_MISSING)
            for purpose in purposes:
                connection.execute(
                    insert(given).values(
                        psn_no=psn_no,
                        purpose=purpose.value,
                        notice_version=notice_version,
                        channel=channel.kind.value,
                        given_at=at,
                        given_by=type(given_by).__name__,
                    )
                )

        return write

    def of(self, psn_no: PersonNo) -> list[str]:
        query = select(given.c.purpose).where(given.c.psn_no == psn_no).order_by(given.c.purpose)
        return self._database.read(lambda connection: list(connection.scalars(query)))
