"""Use cases of settling a stay: at the bed in its middle, after the discharge to its end.

It is payments' own saga. What is special of a stay: everything that is open is one bill, and who
sleeps or wears a mask is identified by the wristband, a named nurse and a reason.
"""

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    StaffId,
    TerminalId,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import DocumentEvidence, Evidence
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.model import (
    NOT_SENT,
    NOTHING_TO_SETTLE,
    PAYMENT_IN_PROGRESS,
    UNDER_WAY,
    Payment,
    PaymentState,
)
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import Calls
from shualian.hospital.records.service import Records
from shualian.hospital.wards.bedside import store
from shualian.hospital.wards.bedside.model import (
    WRISTBAND_OTHER,
    BedsideReason,
    WristbandSettlement,
    check_same_wristband,
)
from shualian.hospital.wards.charges.service import WardCharges
from shualian.hospital.wards.stays.model import Stay, StayState
from shualian.hospital.wards.stays.service import Stays


class Bedside:
    """Settlements of the stays of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        orders: Orders,
        payments: Payments,
        charges: WardCharges,
        stays: Stays,
        calls: Calls,
    ) -> None:
        """Describe it; ``payments`` must know the stays (``StayBillsOf``)."""
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._orders = orders
        self._payments = payments
        self._charges = charges
        self._stays = stays
        self._calls = calls

    def call(self, *, wristband: str, terminal_id: TerminalId) -> Stay:
        """Arm a device at the bed for the patient whose wristband a nurse scanned.

        From then on it compares with this one person, and no number is typed.

        Args:
            wristband: As it was scanned.
            terminal_id: The device, of this hospital.

        Raises:
            Refused: ``hospital.wristband_invalid``; what refuses the call.
        """
        stay = self._stays.of_wristband(wristband)
        self._calls.call(terminal_id, stay.psn_no)
        return stay

    def prepare(
        self, *, command_id: CommandId, stay_no: EncounterNo, acct_used_flag: bool = True
    ) -> Payment:
        """Find out who would pay what of all that is open of a stay (2301, 2303); moves nothing.

        Of a stay that goes on it is a settlement in the middle, else the one at its end. What was
        shown before and not confirmed is withdrawn. A repeat is answered as the first time.

        Raises:
            Refused: ``hospital.stay_not_found``, ``nothing_to_settle``,
                ``payment_in_progress``; as :meth:`Orders.upload` and :meth:`Payments.prepare`.
        """
        self._stays.get(stay_no=stay_no)
        known = self._payments.of_encounter(encounter_no=stay_no)
        if all(payment.command_id != command_id for payment in known):
            if any(payment.state in UNDER_WAY for payment in known):
                raise Refused(PAYMENT_IN_PROGRESS)
            for payment in known:
                if payment.state in NOT_SENT:
                    self._payments.withdraw(command_id=payment.command_id)
            self._charges.gather(stay_no)
            if not self._charges.open_items(stay_no):
                raise Refused(NOTHING_TO_SETTLE)
            self._orders.upload(encounter_no=stay_no)
        return self._payments.prepare(
            command_id=command_id, encounter_no=stay_no, acct_used_flag=acct_used_flag
        )

    def settle(
        self, *, command_id: CommandId, evidence: Evidence, from_wallet_fen: Fen = ZERO
    ) -> Payment:
        """Carry out what was prepared, on the patient's confirmation; closes what is settled up.

        Raises:
            Refused: As :meth:`Payments.settle`.
        """
        payment = self._payments.settle(
            command_id=command_id, evidence=evidence, from_wallet_fen=from_wallet_fen
        )
        self.close_if_settled(payment.encounter_no)
        return payment

    def settle_by_wristband(
        self,
        *,
        command_id: CommandId,
        wristband: str,
        nurse: StaffId,
        reason: BedsideReason,
        from_wallet_fen: Fen = ZERO,
    ) -> Payment:
        """Carry out what was prepared for a patient who cannot confirm by face.

        For the insurer it rests on the document on record, seen at the admission and answered for
        by the named nurse; here the wristband and the reason are kept beside it.

        Args:
            command_id: Of the payment.
            wristband: As it was scanned; of the patient whose bill it is.
            nurse: Signed in, at the bed.
            reason: Why without a face.
            from_wallet_fen: As in :meth:`settle`.

        Raises:
            Refused: ``hospital.wristband_invalid``, ``wristband_other``, ``command_differs``; as
                :meth:`settle`.
        """
        payment = self._payments.get(command_id=command_id)
        kept = WristbandSettlement(
            command_id, payment.encounter_no, nurse, reason, self._clock.now()
        )
        if payment.state in NOT_SENT:
            stay = self._stays.of_wristband(wristband)
            if stay.stay_no != payment.encounter_no:
                raise Refused(WRISTBAND_OTHER)
        self._keep(kept)
        return self.settle(
            command_id=command_id,
            evidence=self._seen_by(nurse, payment),
            from_wallet_fen=from_wallet_fen,
        )

    def cancel(self, *, command_id: CommandId) -> Payment:
        """Take a settlement back (2305); what it settled is open again.

        Raises:
            Refused: As :meth:`Payments.cancel`.
        """
        payment = self._payments.cancel(command_id=command_id)
        self._stays.reopen(stay_no=payment.encounter_no)
        return payment

    def close_if_settled(self, stay_no: EncounterNo) -> Stay:
        """Close a stay of which the patient has left and nothing is open, or leave it as it is.

        Raises:
            Refused: ``hospital.stay_not_found``.
        """
        stay = self._stays.get(stay_no=stay_no)
        under_way = UNDER_WAY | NOT_SENT
        known = self._payments.of_encounter(encounter_no=stay_no)
        is_open = any(payment.state in under_way for payment in known) or bool(
            self._charges.open_items(stay_no)
        )
        if stay.state is not StayState.DISCHARGED or is_open:
            return stay
        return self._stays.close(stay_no=stay_no)

    def by_wristband(self, command_id: CommandId) -> WristbandSettlement | None:
        """Who settled a payment by wristband and why, if somebody did."""
        return self._database.read(
            lambda connection: store.find(connection, self._institution, command_id)
        )

    def settled_fen(self, stay_no: EncounterNo) -> Fen:
        """What of a stay is settled, in its middle and at its end."""
        known = self._payments.of_encounter(encounter_no=stay_no)
        return Fen(
            sum(
                payment.answer.amounts.medfee_sumamt
                for payment in known
                if payment.state is PaymentState.SETTLED
            )
        )

    def _keep(self, kept: WristbandSettlement) -> None:
        def work(connection: Connection) -> None:
            found = store.find(connection, self._institution, kept.command_id)
            if found is None:
                store.add(connection, self._institution, kept)
            else:
                check_same_wristband(found, nurse=kept.nurse, reason=kept.reason)

        self._database.write(work)

    def _seen_by(self, nurse: StaffId, payment: Payment) -> DocumentEvidence:
        stay = self._stays.get(stay_no=payment.encounter_no)
        identity = self._records.identity(record_no=stay.record_no)
        return DocumentEvidence(identity.id_number, nurse, payment.intent_id)
