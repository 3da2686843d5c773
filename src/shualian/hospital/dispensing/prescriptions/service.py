"""Prescriptions as their charge items: what is to be given out, and whether it is paid."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection

from shualian.core.clock import business_date
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
)
from shualian.core.refusals import Refused
from shualian.hospital.cashier.tenders import store as cash
from shualian.hospital.clinical import store as clinical
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.model import (
    DISPENSE_NOT_RETURNED,
    MEDICINE,
    PrescribedLine,
    Standing,
)
from shualian.hospital.dispensing.ports import PricesWithin
from shualian.hospital.model import (
    FeeSplit,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import BatchState, ChargeItem
from shualian.hospital.payments import store as payment_store
from shualian.hospital.payments.model import (
    NOT_SENT,
    PAYMENT_IN_PROGRESS,
    Payment,
    PaymentState,
)


class ChargedMedicine:
    """Prescriptions as their charge items: lines that the insurer classes as medicine."""

    def __init__(self, *, institution: InstitutionCode) -> None:
        self._institution = institution

    def medicine(
        self, connection: Connection, encounter_no: EncounterNo
    ) -> Sequence[PrescribedLine]:
        """See :class:`Prescriptions`."""
        items = orders.items_of(connection, self._institution, encounter_no)
        return [_prescribed(item, item.split) for item in items if _is_medicine(item)]

    def standings(
        self,
        connection: Connection,
        encounter_no: EncounterNo,
        numbers: Collection[ChargeItemNo],
    ) -> Mapping[ChargeItemNo, Standing]:
        """See :class:`Prescriptions`."""
        items = orders.items_of(connection, self._institution, encounter_no)
        batch_of = {item.feedetl_sn: item.chrg_bchno for item in items}
        known = orders.batches_of(connection, self._institution, encounter_no)
        by_batch = {
            batch.chrg_bchno: self._standing(connection, batch.state, batch.held_by)
            for batch in known
        }
        return {
            number: by_batch[batch_of[number]] if number in batch_of else Standing.GONE
            for number in numbers
        }

    def _standing(
        self, connection: Connection, state: BatchState, held_by: CommandId | None
    ) -> Standing:
        if held_by is None:
            return Standing.OPEN
        stored = payment_store.by_command(connection, self._institution, held_by)
        if stored is None or stored.payment.state in NOT_SENT:
            return Standing.OPEN
        payment = stored.payment
        if state is not BatchState.SETTLED or payment.state is not PaymentState.SETTLED:
            return Standing.UNDER_WAY
        taken = cash.by_payment(connection, self._institution, held_by)
        return Standing.PAID if taken else _cash_standing(payment)


def _cash_standing(payment: Payment) -> Standing:
    try:
        return Standing.CASH_OPEN if payment.cash_due_fen else Standing.PAID
    except Refused as refused:
        # The wallet has not said yet what it gives.
        if refused.kind is not PAYMENT_IN_PROGRESS:
            raise
        return Standing.UNDER_WAY


def _is_medicine(item: ChargeItem) -> bool:
    return item.split is not None and item.split.med_chrgitm_type in MEDICINE


def _prescribed(item: ChargeItem, split: FeeSplit | None) -> PrescribedLine:
    return PrescribedLine(
        feedetl_sn=item.feedetl_sn,
        medins_list_codg=item.medins_list_codg,
        name_zh=item.name_zh,
        name_en=item.name_en,
        cnt=item.cnt,
        unit="",
        dose_zh="",
        med_chrgitm_type="" if split is None else split.med_chrgitm_type,
        dr_code=item.bilg_dr_codg,
        dr_name=item.bilg_dr_name,
        ordered_by=item.command_id,
    )


class SignedPrescriptions(ChargedMedicine):
    """Prescriptions as their doctors signed them: in which unit, and how it is taken."""

    def __init__(self, *, institution: InstitutionCode, prices: PricesWithin) -> None:
        super().__init__(institution=institution)
        self._prices = prices

    def medicine(
        self, connection: Connection, encounter_no: EncounterNo
    ) -> Sequence[PrescribedLine]:
        """See :class:`Prescriptions`; what nobody signed a prescription for says no dose."""
        items = orders.items_of(connection, self._institution, encounter_no)
        uses = {
            (order.charged_by, place): line.use
            for order in clinical.of_encounter(connection, self._institution, encounter_no)
            for place, line in enumerate(order.lines)
        }
        found = []
        for item in filter(_is_medicine, items):
            use = uses.get((item.command_id, item.line_no))
            line = replace(
                _prescribed(item, item.split),
                unit=self._unit(connection, item),
                dose_zh="" if use is None else use.text_zh,
            )
            found.append(line)
        return found

    def _unit(self, connection: Connection, item: ChargeItem) -> str:
        prices = self._prices.on_within(connection, business_date(item.fee_ocur_time))
        priced = prices.items.get(item.medins_list_codg)
        return "" if priced is None else priced.unit


def refuse_handed_out(connection: Connection, payment: Payment) -> None:
    """Keep a settlement from being taken back whose medicine a patient has in hand.

    Payments asks it inside the transaction in which a cancellation begins.

    Raises:
        Refused: ``hospital.dispense_not_returned``.
    """
    items = orders.items_of_batch(connection, payment.institution, payment.chrg_bchno)
    numbers = [item.feedetl_sn for item in items]
    if store.kept_of(connection, payment.institution, numbers):
        raise Refused(DISPENSE_NOT_RETURNED)


def refuse_refund_of_handed_out(
    connection: Connection, payment: Payment, staying: Mapping[ChargeItemNo, Decimal]
) -> None:
    """Keep lines from being refunded whose medicine a patient has in hand.

    What is being returned at the pharmacy may be refunded. Payments asks it inside the transaction
    in which a refund begins.

    Args:
        connection: Of the transaction.
        payment: Of whose bill the lines are.
        staying: The lines, and how much of each is to stay on the bill.

    Raises:
        Refused: ``hospital.dispense_not_returned``.
    """
    in_hand = store.kept_of(connection, payment.institution, staying.keys(), but_coming_back=True)
    if any(kept > staying[number] for number, kept in in_hand.items()):
        raise Refused(DISPENSE_NOT_RETURNED)
