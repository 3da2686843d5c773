"""Erasing a face in every store: written down first, repeated until done, with a receipt."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, new_identifier
from shualian.core.refusals import Refused
from shualian.insurer.erasures import store
from shualian.insurer.erasures.model import (
    ERASURE_UNFINISHED,
    RECEIPT_NOT_FOUND,
    DeletionReceipt,
    ErasureReason,
    FaceErased,
    ReceiptNo,
    SearchedStore,
    StoreName,
)
from shualian.insurer.erasures.ports import FaceStore
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record

_STRIPES = 64


class Erasures:
    """Deletes what is held of a person's face and proves it to the person.

    Proven: an erasure that was begun is finished after a crash too, its receipt lists what the
    first pass found, and while it runs nothing of that person is enrolled by this process. Not
    proven: that the list of stores is whole; whoever assembles the program names them. One
    process owns the gallery, so one process erases.
    """

    def __init__(
        self, *, database: Database, clock: Clock, stores: Sequence[FaceStore], backup_days: int
    ) -> None:
        """Erase from ``stores``, in this order.

        Args:
            database: Has ``store.metadata``'s tables and the audit's.
            clock: For the moments on a receipt.
            stores: Every place that may hold something of a face.
            backup_days: Until a deleted row is gone from backups too.
        """
        self._database = database
        self._clock = clock
        self._stores = tuple(stores)
        self._backups_end = timedelta(days=backup_days)
        self._turns = tuple(threading.RLock() for _ in range(_STRIPES))

    @contextmanager
    def exclusive(self, psn_no: PersonNo) -> Iterator[None]:
        """Nothing else is enrolled or erased of this person while the block runs.

        Taken outside transactions only.
        """
        with self._turns[hash(psn_no) % _STRIPES]:
            yield

    def begin(
        self, connection: Connection, psn_no: PersonNo, *, reason: ErasureReason, at: datetime
    ) -> ReceiptNo:
        """Write down in the caller's transaction that everything must go; then :meth:`finish`.

        An erasure of the person that is not finished yet is gone on with.
        """
        begun = store.open_of(connection, psn_no)
        if begun is not None:
            return begun
        number = ReceiptNo(new_identifier())
        store.begin(connection, number, psn_no, reason, at)
        return number

    def check_none_open(self, connection: Connection, psn_no: PersonNo) -> None:
        """Check in the caller's transaction that nothing of the person is being erased.

        Raises:
            Refused: ``insurer.erasure_unfinished``.
        """
        if store.open_of(connection, psn_no) is not None:
            raise Refused(ERASURE_UNFINISHED)

    def finish(self, number: ReceiptNo) -> DeletionReceipt:
        """Erase in every store and give the receipt; a finished one is given again.

        Raises:
            Refused: ``insurer.receipt_not_found``; ``insurer.erasure_unfinished`` when a store
                refused or still holds something: it stays open and can be repeated.
        """
        psn_no = self._database.read(lambda connection: store.person_of(connection, number))
        if psn_no is None:
            raise Refused(RECEIPT_NOT_FOUND)
        with self.exclusive(psn_no):
            done = self._database.read(lambda connection: store.receipt(connection, number))
            return done or self._erase(number, psn_no)

    def finish_open(self) -> tuple[DeletionReceipt, ...]:
        """Finish whatever was begun and not finished; run on start, before any comparison.

        Raises:
            Refused: ``insurer.erasure_unfinished`` when one cannot be finished; all were tried.
        """
        receipts, refusals = [], []
        for number, _ in self._database.read(store.all_open):
            try:
                receipts.append(self.finish(number))
            except Refused as refused:
                refusals.append(refused)
        if refusals:
            raise refusals[0]
        return tuple(receipts)

    def receipt(self, number: ReceiptNo) -> DeletionReceipt:
        """The receipt with this number.

        Raises:
            Refused: ``insurer.receipt_not_found``, also while it is not finished.
        """
        found = self._database.read(lambda connection: store.receipt(connection, number))
        if found is None:
            raise Refused(RECEIPT_NOT_FOUND)
        return found

    def receipts_of(self, psn_no: PersonNo) -> tuple[DeletionReceipt, ...]:
        """Every finished receipt of a person, oldest first; for the person."""

        def work(connection: Connection) -> list[DeletionReceipt | None]:
            return [
                store.receipt(connection, each) for each in store.numbers_of(connection, psn_no)
            ]

        return tuple(each for each in self._database.read(work) if each is not None)

    def holdings(self, psn_no: PersonNo) -> dict[StoreName, int]:
        """How many entries of a person each store holds now, also where there are none."""
        return {each.name: each.count(psn_no) for each in self._stores}

    def _erase(self, number: ReceiptNo, psn_no: PersonNo) -> DeletionReceipt:
        # Stores share what they delete, and a crash may follow: all are counted before the first.
        found = [SearchedStore(each.name, each.count(psn_no), 0) for each in self._stores]
        self._database.write(lambda connection: store.put_lines(connection, number, found))
        erased = [_erased(each, psn_no) for each in self._stores]
        left = sum(each.count(psn_no) for each in self._stores)
        if left or None in erased:
            raise Refused(ERASURE_UNFINISHED, left=left)
        counts = {each.name: count or 0 for each, count in zip(self._stores, erased, strict=True)}
        return self._database.write(
            lambda connection: self._complete(connection, number, psn_no, counts)
        )

    def _complete(
        self,
        connection: Connection,
        number: ReceiptNo,
        psn_no: PersonNo,
        erased: Mapping[StoreName, int],
    ) -> DeletionReceipt:
        now = self._clock.now()
        # Nothing is left, so whatever was found is deleted, by this pass or an earlier one.
        lines = [
            SearchedStore(line.name, most, most)
            for line in store.lines_of(connection, number)
            for most in [max(line.found, erased.get(line.name, 0))]
        ]
        store.put_lines(connection, number, lines)
        until = business_date(now) + self._backups_end
        is_first = store.complete(connection, number, at=now, backups_until=until)
        receipt = store.receipt(connection, number)
        if receipt is None:
            raise Refused(RECEIPT_NOT_FOUND)
        if is_first:
            record(connection, _event(psn_no, receipt), at=now)
        return receipt


def _erased(face_store: FaceStore, psn_no: PersonNo) -> int | None:
    """How many it deleted; None when it refused, so that the others are tried all the same."""
    try:
        return face_store.erase(psn_no)
    except Refused:
        return None


def _event(psn_no: PersonNo, receipt: DeletionReceipt) -> FaceErased:
    return FaceErased(
        subject=psn_no,
        receipt=Reference(receipt.number),
        reason=receipt.reason,
        stores=len(receipt.stores),
        deleted=sum(each.deleted for each in receipt.stores),
    )
