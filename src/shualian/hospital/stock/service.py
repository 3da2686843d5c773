"""Use cases of the store room: take in, count, look; giving out belongs to dispensing."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode, new_identifier
from shualian.core.refusals import Refused
from shualian.hospital.stock import store
from shualian.hospital.stock.model import (
    STOCK_SHORT,
    STOCK_UNKNOWN,
    BatchId,
    Delivery,
    MovementKind,
    Place,
    StockBatch,
    check_adjustment,
    check_delivery,
    check_same_movement,
    movement_of,
)
from shualian.staff.model import Caller, Role, check_role

_KEEPERS = frozenset((Role.PHARMACIST, Role.ADMINISTRATOR))


class Stock:
    """The medicine of one hospital."""

    def __init__(self, *, institution: InstitutionCode, database: Database, clock: Clock) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock

    def receive(self, caller: Caller, *, command_id: CommandId, delivery: Delivery) -> StockBatch:
        """Take in what arrived, once for a command.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.stock_invalid``, ``command_differs``.
        """
        check_role(caller, _KEEPERS)
        now = self._clock.now()
        check_delivery(delivery, today=business_date(now))
        empty = Decimal(0)
        batch = StockBatch(
            batch_id=BatchId(new_identifier()),
            institution=self._institution,
            medins_list_codg=delivery.medins_list_codg,
            lot_no=delivery.lot_no.strip(),
            expires_on=delivery.expires_on,
            on_shelf=empty,
            set_aside=empty,
            in_quarantine=empty,
        )

        def work(connection: Connection) -> StockBatch:
            wanted = movement_of(
                command_id,
                self._institution,
                store.put_batch(connection, batch),
                kind=MovementKind.RECEIVED,
                quantity=delivery.quantity,
                by=caller.staff_id,
                at=now,
            )
            earlier = store.moved_by(connection, self._institution, command_id)
            for found in earlier:
                check_same_movement(found, wanted)
            if not earlier:
                store.move(connection, wanted)
            return self._batch(connection, wanted.batch_id)

        return self._database.write(work)

    def adjust(
        self,
        caller: Caller,
        *,
        command_id: CommandId,
        batch_id: BatchId,
        change: Decimal,
        reason: str,
        place: Place = Place.SHELF,
    ) -> StockBatch:
        """Correct a balance after a count, a breakage or a destruction, once for a command.

        What is set aside for somebody cannot be taken away.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.stock_invalid``, ``stock_unknown``,
                ``stock_short``, ``command_differs``.
        """
        check_role(caller, _KEEPERS)
        check_adjustment(change, reason)
        now = self._clock.now()

        def work(connection: Connection) -> StockBatch:
            batch = self._batch(connection, batch_id)
            wanted = movement_of(
                command_id,
                self._institution,
                batch_id,
                kind=MovementKind.ADJUSTED,
                quantity=change,
                by=caller.staff_id,
                at=now,
                place=place,
                reason=reason.strip(),
            )
            earlier = store.moved_by(connection, self._institution, command_id)
            for found in earlier:
                check_same_movement(found, wanted)
            if earlier:
                return batch
            free = batch.free if place is Place.SHELF else batch.in_quarantine
            if free + change < 0:
                raise Refused(STOCK_SHORT, medins_list_codg=batch.medins_list_codg)
            store.move(connection, wanted)
            return self._batch(connection, batch_id)

        return self._database.write(work)

    def everything(self) -> Sequence[StockBatch]:
        """Every batch of the hospital, by medicine, what expires first first."""
        found = self._database.read(
            lambda connection: store.all_batches(connection, self._institution)
        )
        return sorted(found, key=lambda each: (each.medins_list_codg, each.expires_on))

    def of_medicine(self, medins_list_codg: str) -> Sequence[StockBatch]:
        """The batches of a medicine, what expires first first."""
        return self._database.read(
            lambda connection: store.of_medicine(connection, self._institution, medins_list_codg)
        )

    def _batch(self, connection: Connection, batch_id: BatchId) -> StockBatch:
        found = store.by_id(connection, self._institution, batch_id)
        if found is None:
            raise Refused(STOCK_UNKNOWN)
        return found
