"""Use cases of what doctors say and order.

**How a signature survives a crash.** Order and charge items become signed in one transaction;
then the lines are uploaded (2204), and a prescription whose lines are is put into the pharmacy's
queue. Power lost between leaves a signed order whose lines any later upload takes along, and
nobody can pay for lines that are not uploaded; :meth:`ClinicalOrders.resume_all` uploads the
prescriptions that the pharmacy does not have and hands them over.

**How a withdrawal does.** An unpaid order is withdrawn and its lines are off the bill in one
transaction; the next upload tells the insurer (2205). A paid one becomes ``refunding`` together
with the payment's ``refunding``, under one identifier; the payments' resolver leads the money on,
:meth:`ClinicalOrders.resume_all` the order.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    StaffId,
    new_identifier,
)
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Refused
from shualian.hospital.clinical import store
from shualian.hospital.clinical.model import (
    ORDER_NOT_FOUND,
    ORDER_PERFORMED,
    ORDER_STEP,
    ClinicalLine,
    ClinicalOrder,
    CostPreview,
    Diagnosis,
    DiagnosisType,
    OrderKind,
    OrderNo,
    OrderState,
    OrderView,
    Standing,
    Statement,
    Warned,
    against_allergies,
    alike,
    check_acknowledged,
    check_clinical_lines,
    check_diagnoses,
    check_same_draft,
    check_same_statement,
    discarded,
    performed,
    refund_decided,
    signed,
    standing,
    to_refund,
    withdrawn,
)
from shualian.hospital.clinical.ports import Allergies, Pharmacy
from shualian.hospital.clinical.store import SealedStatement
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter, check_open
from shualian.hospital.model import (
    Certificate,
    CertificateType,
    DiagnosisRow,
    EstimateRequest,
    FeeDetail,
    PersonalSettlement,
    SettlementAnswer,
    SettlementRequest,
    VisitInformation,
    check_adds_up,
)
from shualian.hospital.orders import store as charges
from shualian.hospital.orders.model import (
    DOCTOR_NOT_SIGNED_IN,
    Batch,
    BatchState,
    ChargeItem,
    OrderLine,
    PriceList,
    bill_amount,
    line_amount,
)
from shualian.hospital.orders.ports import DoctorSignIns
from shualian.hospital.orders.service import Ordering, Orders
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import Payment, RefundState
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FieldSealer, InsurerPlatform, ask_insurer
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import Doctor

_CONTENT = "hospital.diagnosis.content"


class Diagnoses:
    """What the doctors of one hospital say of illnesses, and that the insurer is told (2203)."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._insurer = insurer
        self._sealer = sealer

    def state(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        doctor: Doctor,
        stated_by: StaffId,
        diagnoses: Sequence[Diagnosis],
        complaint: str = "",
    ) -> Statement:
        """Say what the patient has; it takes the place of what was said before in this visit.

        The insurer is told next; when it does not answer, :meth:`tell_all` tells it later.

        Raises:
            Refused: ``hospital.diagnosis_invalid``, ``encounter_not_found``,
                ``encounter_not_open``, ``command_differs``.
        """
        check_diagnoses(diagnoses)
        content = self._sealed(encounter_no, complaint, diagnoses)

        def work(connection: Connection) -> SealedStatement:
            earlier = store.statement_of_command(connection, self._institution, command_id)
            if earlier is not None:
                return earlier
            check_open(_encounter(connection, self._institution, encounter_no))
            last = store.last_statements(connection, self._institution, [encounter_no])
            new = SealedStatement(
                institution=self._institution,
                encounter_no=encounter_no,
                place=last[0].place + 1 if last else 1,
                command_id=command_id,
                dr_code=doctor.dr_code,
                dr_name=doctor.dr_name,
                stated_by=stated_by,
                stated_at=self._clock.now(),
                content_sealed=content,
            )
            store.add_statement(connection, new)
            return new

        stated = self._opened(self._database.write(work))
        check_same_statement(
            stated, encounter_no=encounter_no, complaint=complaint, diagnoses=diagnoses
        )
        with suppress(Refused):
            self.tell(encounter_no=encounter_no)
        return self.of_encounters([encounter_no])[encounter_no]

    def tell(self, *, encounter_no: EncounterNo) -> None:
        """Tell the insurer what holds of a visit, if it does not have it yet (2203).

        Raises:
            Refused: What the insurer refuses; ``hospital.insurer_unreachable``.
        """

        def look(connection: Connection) -> tuple[Encounter, Sequence[SealedStatement]]:
            return (
                _encounter(connection, self._institution, encounter_no),
                store.last_statements(connection, self._institution, [encounter_no]),
            )

        encounter, last = self._database.read(look)
        if not last or last[0].told_at is not None:
            return
        message = self._message(encounter, self._opened(last[0]))
        ask_insurer(self._insurer.tell_visit_information, message)
        now = self._clock.now()
        self._database.write(
            lambda connection: store.mark_told(
                connection, self._institution, encounter_no, last[0].place, at=now
            )
        )

    def tell_all(self) -> Sequence[EncounterNo]:
        """Tell the insurer what it does not have yet; gives the visits that are still open."""
        for encounter_no in self._untold():
            # What still is not told is given at the end, by what is stored.
            with suppress(Refused):
                self.tell(encounter_no=encounter_no)
        return self._untold()

    def of_encounters(self, numbers: Sequence[EncounterNo]) -> Mapping[EncounterNo, Statement]:
        """What holds of each visit, of those of which something was said."""
        found = self._database.read(
            lambda connection: store.last_statements(connection, self._institution, numbers)
        )
        return {sealed.encounter_no: self._opened(sealed) for sealed in found}

    def _untold(self) -> Sequence[EncounterNo]:
        return self._database.read(lambda connection: store.untold(connection, self._institution))

    def _message(self, encounter: Encounter, stated: Statement) -> VisitInformation:
        rows = tuple(
            DiagnosisRow(
                diag_type=diagnosis.kind.value,
                diag_srt_no=place,
                diag_code=diagnosis.code,
                diag_name=diagnosis.name,
                diag_dept=encounter.department.dept_name,
                dise_dor_no=stated.doctor.dr_code,
                dise_dor_name=stated.doctor.dr_name,
                diag_time=stated.stated_at,
            )
            for place, diagnosis in enumerate(stated.diagnoses, start=1)
        )
        return VisitInformation(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            mdtrt_id=encounter.visit_id,
            med_type=encounter.med_type,
            begntime=encounter.begntime,
            main_cond_dscr=stated.complaint,
            diseinfo=rows,
        )

    def _sealed(
        self, encounter_no: EncounterNo, complaint: str, diagnoses: Sequence[Diagnosis]
    ) -> bytes:
        rows = [[each.code, each.name, each.kind.value] for each in diagnoses]
        content = json.dumps({"complaint": complaint, "diagnoses": rows}).encode()
        return self._sealer.seal(content, purpose=_CONTENT, context=encounter_no.encode())

    def _opened(self, sealed: SealedStatement) -> Statement:
        context = sealed.encounter_no.encode()
        content = json.loads(
            self._sealer.open(sealed.content_sealed, purpose=_CONTENT, context=context)
        )
        return Statement(
            command_id=sealed.command_id,
            encounter_no=sealed.encounter_no,
            doctor=Doctor(sealed.dr_code, sealed.dr_name),
            stated_by=sealed.stated_by,
            stated_at=sealed.stated_at,
            complaint=content["complaint"],
            diagnoses=tuple(
                Diagnosis(code, name, DiagnosisType(kind))
                for code, name, kind in content["diagnoses"]
            ),
            told_at=sealed.told_at,
        )


@dataclass(frozen=True, slots=True)
class _Books:
    """Everything of one visit that an order's standing follows from."""

    encounter: Encounter
    orders: Sequence[ClinicalOrder]
    items: Sequence[ChargeItem]
    batches: Mapping[str, Batch]

    def of_order(self, order: ClinicalOrder) -> tuple[ChargeItem, ...]:
        return tuple(item for item in self.items if item.command_id == order.charged_by)

    def standing(self, order: ClinicalOrder) -> Standing:
        return standing(order, self.of_order(order), self.batches)


def refuse_performed(connection: Connection, payment: Payment) -> None:
    """Keep a settlement from being taken back of which something was carried out.

    Payments asks it inside the transaction in which a cancellation begins.

    Raises:
        Refused: ``hospital.order_performed``.
    """
    _refuse_performed(
        connection,
        payment.institution,
        charges.items_of_batch(connection, payment.institution, payment.chrg_bchno),
    )


def refuse_refund_of_performed(
    connection: Connection, payment: Payment, staying: Mapping[ChargeItemNo, Decimal]
) -> None:
    """Keep lines from being refunded that were carried out, in whole or in part.

    Payments asks it inside the transaction in which a refund begins.

    Args:
        connection: Of the transaction.
        payment: Of whose bill the lines are.
        staying: The lines, and how much of each is to stay on the bill.

    Raises:
        Refused: ``hospital.order_performed``.
    """
    items = charges.items_of_batch(connection, payment.institution, payment.chrg_bchno)
    touched = [item for item in items if item.feedetl_sn in staying]
    _refuse_performed(connection, payment.institution, touched)


def _refuse_performed(
    connection: Connection, institution: InstitutionCode, items: Sequence[ChargeItem]
) -> None:
    numbers = {item.command_id for item in items}
    for order in store.by_numbers(connection, institution, [OrderNo(each) for each in numbers]):
        if order.state is OrderState.PERFORMED:
            raise Refused(ORDER_PERFORMED)


class ClinicalOrders:
    """The orders of the doctors of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        orders: Orders,
        payments: Payments,
        insurer: InsurerPlatform,
        sign_ins: DoctorSignIns,
        allergies: Allergies | None = None,
        pharmacy: Pharmacy | None = None,
    ) -> None:
        """Describe it.

        Without ``allergies`` no order is compared with them, without ``pharmacy`` nobody is told
        of prescriptions.
        """
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._orders = orders
        self._payments = payments
        self._insurer = insurer
        self._sign_ins = sign_ins
        self._allergies = allergies
        self._pharmacy = pharmacy

    def draft(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        kind: OrderKind,
        lines: Sequence[ClinicalLine],
        doctor: Doctor,
        drafted_by: StaffId,
        amends: OrderNo | None = None,
    ) -> ClinicalOrder:
        """Draft an order; it costs nothing and nobody sees it but the doctor.

        Args:
            command_id: Made and stored by the caller.
            encounter_no: In which visit.
            kind: What is ordered.
            lines: What; a medicine says how it is taken.
            doctor: Who orders, and must sign.
            drafted_by: The same as a member of staff.
            amends: An order of the same visit that this one takes the place of.

        Raises:
            Refused: ``hospital.order_invalid``, ``item_not_priced``, ``order_lines_invalid``,
                ``order_not_found``, ``encounter_not_found``, ``encounter_not_open``,
                ``command_differs``.
        """
        check_clinical_lines(kind, lines, self._orders.prices_today())
        new = ClinicalOrder(
            order_no=OrderNo(new_identifier()),
            institution=self._institution,
            encounter_no=encounter_no,
            command_id=command_id,
            kind=kind,
            doctor=doctor,
            drafted_by=drafted_by,
            drafted_at=self._clock.now(),
            lines=tuple(lines),
            amends=amends,
        )
        found = self._database.write(lambda connection: self._drafted(connection, new))
        check_same_draft(found, encounter_no=encounter_no, kind=kind, lines=lines, amends=amends)
        return found

    def discard(self, *, order_no: OrderNo, by: StaffId) -> ClinicalOrder:
        """Throw a draft away; again changes nothing.

        Raises:
            Refused: ``hospital.order_not_found``, ``order_step``, ``order_performed``.
        """

        def work(connection: Connection) -> ClinicalOrder:
            order = self._order(connection, order_no)
            if order.state is OrderState.DISCARDED:
                return order
            return self._changed(connection, discarded(order, by=by, now=self._clock.now()))

        return self._database.write(work)

    def preview(self, *, order_no: OrderNo) -> CostPreview:
        """What the patient would pay if the draft were signed now; changes nothing.

        Asked of the insurer's own calculation over the open lines and those of the draft.

        Raises:
            Refused: ``hospital.order_not_found``, ``order_step`` when it is no draft;
                ``item_not_priced``, ``answer_invalid``, ``insurer_unreachable``; what the
                insurer refuses.
        """
        books, order = self._database.read(lambda connection: self._books_of(connection, order_no))
        if order.state is not OrderState.DRAFT:
            raise Refused(ORDER_STEP, found=order.state.value, asked=OrderState.SIGNED.value)
        prices = self._orders.prices_today()
        # Signed lines join the open batch; what a bill shows already is settled on its own.
        joined = [
            item.detail
            for item in books.items
            if books.batches[item.chrg_bchno].state is BatchState.OPEN
        ]
        drafted = [
            self._drafted_detail(books.encounter, order, line, prices) for line in order.lines
        ]
        return CostPreview(
            with_order=self._estimated(books.encounter, [*joined, *drafted]),
            without=self._estimated(books.encounter, joined) if joined else None,
            warnings=self._warnings(books, order, prices),
        )

    def sign(
        self,
        *,
        order_no: OrderNo,
        doctor: Doctor,
        by: StaffId,
        acknowledged: frozenset[str] = frozenset(),
    ) -> OrderView:
        """Sign a draft: its lines are on the bill, its medicine in the pharmacy's queue; once.

        Only a doctor who is signed in at the insurer may sign. An order that it amends is
        withdrawn first, with its refund when it was paid.

        Args:
            order_no: Which.
            doctor: Who signs; must have drafted it.
            by: The same as a member of staff.
            acknowledged: Codes of the warnings that the doctor has seen.

        Raises:
            Refused: ``hospital.order_not_found``, ``order_of_another_doctor``, ``order_step``,
                ``order_performed``, ``doctor_not_signed_in``, ``warnings_open``,
                ``item_not_priced``, ``encounter_not_open``; as :meth:`withdraw` for the order
                that is amended; what refuses the upload: then it is signed, and is uploaded
                later.
        """
        books, order = self._database.read(lambda connection: self._books_of(connection, order_no))
        if order.state is OrderState.DRAFT:
            self._check_signed_in(doctor)
            prices = self._orders.prices_today()
            check_clinical_lines(order.kind, order.lines, prices)
            check_acknowledged(self._warnings(books, order, prices), acknowledged)
            if order.amends is not None:
                self.withdraw(order_no=order.amends, by=by, reason="amended")
            self._database.write(
                lambda connection: self._sign(connection, order_no, doctor, acknowledged, prices)
            )
        elif order.doctor.dr_code != doctor.dr_code or order.state is OrderState.DISCARDED:
            raise Refused(ORDER_STEP, found=order.state.value, asked=OrderState.SIGNED.value)
        self._orders.upload(encounter_no=order.encounter_no)
        self._hand_over(order)
        return self.get(order_no=order_no)

    def withdraw(self, *, order_no: OrderNo, by: StaffId, reason: str) -> OrderView:
        """Withdraw a signed order: off the bill, or with its refund; again changes nothing.

        A bill that was shown with it and not confirmed is withdrawn too.

        Args:
            order_no: Which.
            by: Who withdraws it.
            reason: Why, at most 200 characters, nothing that says who the patient is.

        Raises:
            Refused: ``hospital.order_not_found``, ``order_performed``, ``order_step``,
                ``payment_in_progress``; as ``Payments.refund_items``; what refuses the
                withdrawal at the insurer: then it is withdrawn, and the insurer told later.
        """
        refund_id = CommandId(new_identifier())
        order = self._database.write(
            lambda connection: self._withdraw(connection, order_no, refund_id, by, reason[:200])
        )
        if order.refund_id is None:
            self._orders.upload(encounter_no=order.encounter_no)
        elif order.state is OrderState.REFUNDING:
            self._finish_refund(order)
        return self.get(order_no=order_no)

    def resume_all(self) -> Sequence[OrderNo]:
        """Lead on what was interrupted, refunds and signatures; gives the orders that wait."""
        for order in self._refunding():
            # What still has no answer is told at the end, by what is stored.
            with suppress(Refused):
                self._finish_refund(order)
        for order in self._not_at_pharmacy():
            with suppress(Refused):
                self._orders.upload(encounter_no=order.encounter_no)
                self._hand_over(order)
        return [order.order_no for order in (*self._refunding(), *self._not_at_pharmacy())]

    def perform(self, *, order_no: OrderNo, by: StaffId) -> OrderView:
        """A paid order was carried out; again changes nothing.

        Raises:
            Refused: As :meth:`perform_within`.
        """
        self._database.write(lambda connection: self.perform_within(connection, order_no, by=by))
        return self.get(order_no=order_no)

    def perform_within(
        self, connection: Connection, order_no: OrderNo, *, by: StaffId
    ) -> ClinicalOrder:
        """:meth:`perform` as a part of another use case's transaction.

        Raises:
            Refused: ``hospital.order_not_found``, ``order_step``, ``order_not_paid``.
        """
        books, order = self._books_of(connection, order_no)
        if order.state is OrderState.PERFORMED:
            return order
        is_paid = books.standing(order) is Standing.PAID
        now = self._clock.now()
        return self._changed(connection, performed(order, is_paid=is_paid, by=by, now=now))

    def get(self, *, order_no: OrderNo) -> OrderView:
        """An order with where its money stands.

        Raises:
            Refused: ``hospital.order_not_found``, ``no_price_list``.
        """
        books, order = self._database.read(lambda connection: self._books_of(connection, order_no))
        return self._view(books, order, self._orders.prices_today())

    def of_encounter(self, *, encounter_no: EncounterNo) -> Sequence[OrderView]:
        """All orders of a visit, the oldest first.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``no_price_list``.
        """
        books = self._database.read(lambda connection: self._books(connection, encounter_no))
        prices = self._orders.prices_today()
        return [self._view(books, order, prices) for order in books.orders]

    def paid(self, *, kinds: Collection[OrderKind]) -> Sequence[OrderView]:
        """Paid orders of some kinds that nobody has carried out, the oldest first.

        Raises:
            Refused: ``hospital.no_price_list``.
        """
        prices = self._orders.prices_today()

        def look(connection: Connection) -> Sequence[OrderView]:
            signed_ones = store.in_state(connection, self._institution, OrderState.SIGNED, kinds)
            books = {
                number: self._books(connection, number)
                for number in {order.encounter_no for order in signed_ones}
            }
            return [
                self._view(books[order.encounter_no], order, prices)
                for order in signed_ones
                if books[order.encounter_no].standing(order) is Standing.PAID
            ]

        return self._database.read(look)

    def is_paid_within(self, connection: Connection, order_no: OrderNo) -> bool:
        """Whether an order is paid and nobody has carried it out, inside a transaction.

        Raises:
            Refused: ``hospital.order_not_found``.
        """
        books, order = self._books_of(connection, order_no)
        return books.standing(order) is Standing.PAID

    # Signing

    def _drafted(self, connection: Connection, new: ClinicalOrder) -> ClinicalOrder:
        earlier = store.by_command(connection, self._institution, new.command_id)
        if earlier is not None:
            return earlier
        check_open(_encounter(connection, self._institution, new.encounter_no))
        if new.amends is not None:
            amended = self._order(connection, new.amends)
            if amended.encounter_no != new.encounter_no:
                raise Refused(ORDER_NOT_FOUND)
        store.add(connection, new)
        return new

    def _check_signed_in(self, doctor: Doctor) -> None:
        now = self._clock.now()
        if not self._sign_ins.valid(doctor.dr_code, institution=self._institution, at=now):
            raise Refused(DOCTOR_NOT_SIGNED_IN)

    def _sign(
        self,
        connection: Connection,
        order_no: OrderNo,
        doctor: Doctor,
        acknowledged: frozenset[str],
        prices: PriceList,
    ) -> None:
        order = self._order(connection, order_no)
        if order.state is OrderState.SIGNED:
            return
        now = self._clock.now()
        self._changed(connection, signed(order, doctor=doctor, acknowledged=acknowledged, now=now))
        lines = [line.line for line in order.lines]
        ordering = Ordering(order.charged_by, order.encounter_no, lines, prices, doctor)
        self._orders.order_within(connection, ordering)

    def _hand_over(self, order: ClinicalOrder) -> None:
        """Put a signed prescription into the pharmacy's queue, once its lines are uploaded."""
        if self._pharmacy is None or order.kind is not OrderKind.PRESCRIPTION:
            return
        number, pharmacy = order.order_no, self._pharmacy
        self._database.write(lambda connection: self._queue(connection, pharmacy, number))

    def _queue(self, connection: Connection, pharmacy: Pharmacy, order_no: OrderNo) -> None:
        order = self._order(connection, order_no)
        if order.state is not OrderState.SIGNED or order.at_pharmacy_at is not None:
            return
        items = charges.items_of_command(connection, self._institution, order.charged_by)
        # What kind of medicine it is only the insurer says.
        if any(item.split is None and item.withdrawn_at is None for item in items):
            return
        pharmacy.prescribed(
            connection, command_id=order.charged_by, encounter_no=order.encounter_no
        )
        self._changed(connection, replace(order, at_pharmacy_at=self._clock.now()))

    def _not_at_pharmacy(self) -> Sequence[ClinicalOrder]:
        if self._pharmacy is None:
            return ()
        return self._database.read(
            lambda connection: store.not_at_pharmacy(connection, self._institution)
        )

    def _warnings(
        self, books: _Books, order: ClinicalOrder, prices: PriceList
    ) -> tuple[Warned, ...]:
        if order.kind is not OrderKind.PRESCRIPTION:
            return ()
        others = [
            line.medins_list_codg
            for other in books.orders
            if other.kind is OrderKind.PRESCRIPTION
            and other.state in {OrderState.SIGNED, OrderState.PERFORMED}
            and other.order_no not in {order.order_no, order.amends}
            for line in other.lines
        ]
        allergic: frozenset[str] = frozenset()
        if self._allergies is not None:
            allergic = self._allergies.substances(books.encounter.record_no)
        return (
            *against_allergies(order.lines, allergic, prices),
            *alike(order.lines, others, prices),
        )

    # Estimating

    def _estimated(self, encounter: Encounter, details: Sequence[FeeDetail]) -> SettlementAnswer:
        identity = self._records.identity(record_no=encounter.record_no)
        request = SettlementRequest(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            certificate=Certificate(CertificateType.ID_CARD, identity.id_number.value),
            mdtrt_id=encounter.visit_id,
            chrg_bchno=new_identifier(),
            med_type=encounter.med_type,
            insutype=encounter.insutype,
            medfee_sumamt=total([detail.det_item_fee_sumamt for detail in details]),
            psn_setlway=PersonalSettlement.BY_ITEM,
            acct_used_flag=True,
        )
        message = EstimateRequest(request, tuple(details))
        answer = ask_insurer(self._insurer.estimate, message)
        check_adds_up(answer.amounts)
        return answer

    def _drafted_detail(
        self, encounter: Encounter, order: ClinicalOrder, line: ClinicalLine, prices: PriceList
    ) -> FeeDetail:
        priced = prices.priced(line.medins_list_codg)
        return FeeDetail(
            feedetl_sn=ChargeItemNo(new_identifier()),
            fee_ocur_time=self._clock.now(),
            med_list_codg=priced.med_list_codg,
            medins_list_codg=priced.medins_list_codg,
            det_item_fee_sumamt=_amount(line.line, prices),
            cnt=line.cnt,
            pric=priced.pric_yuan,
            bilg_dept_codg=encounter.department.dept_code,
            bilg_dept_name=encounter.department.dept_name,
            bilg_dr_codg=order.doctor.dr_code,
            bilg_dr_name=order.doctor.dr_name,
        )

    # Withdrawing

    def _withdraw(
        self,
        connection: Connection,
        order_no: OrderNo,
        refund_id: CommandId,
        by: StaffId,
        reason: str,
    ) -> ClinicalOrder:
        books, order = self._books_of(connection, order_no)
        if order.state in {OrderState.WITHDRAWN, OrderState.REFUNDING}:
            return order
        now, items = self._clock.now(), books.of_order(order)
        if books.standing(order) is Standing.PAID:
            after = to_refund(order, refund_id, by=by, reason=reason)
            payment = books.batches[items[0].chrg_bchno].held_by
            if payment is None:
                raise Refused(ORDER_STEP, found="settled by nobody")
            numbers = [item.feedetl_sn for item in items]
            self._payments.refund_within(connection, refund_id, payment, numbers)
        else:
            after = withdrawn(order, by=by, reason=reason, now=now)
            self._payments.let_go_within(connection, order.encounter_no)
            self._orders.withdraw_within(connection, items, at=now)
        return self._changed(connection, after)

    def _finish_refund(self, order: ClinicalOrder) -> None:
        if order.refund_id is None:
            raise Refused(ORDER_STEP, found=order.state.value)
        refund_id = order.refund_id
        found = self._database.read(
            lambda connection: payments.refund_by_command(connection, self._institution, refund_id)
        )
        if found is None:
            raise Refused(ORDER_STEP, found="no refund")
        refusal = found[1]
        if found[0].state is RefundState.SENT:
            try:
                self._payments.refund_items(
                    command_id=refund_id, payment=found[0].payment, items=found[0].items
                )
            except Refused as raised:
                refusal = raised
        # Done, refused or still open: what is stored decides, whoever got the answer.
        after = self._database.write(
            lambda connection: self._record_refund(connection, order.order_no)
        )
        # What an e-payment account is still to get back is the payment's matter from here on.
        if refusal is not None and after.state is not OrderState.WITHDRAWN:
            raise refusal

    def _record_refund(self, connection: Connection, order_no: OrderNo) -> ClinicalOrder:
        order = self._order(connection, order_no)
        if order.state is not OrderState.REFUNDING or order.refund_id is None:
            return order
        found = payments.refund_by_command(connection, self._institution, order.refund_id)
        if found is None or found[0].state is RefundState.SENT:
            return order
        after = refund_decided(
            order, is_done=found[0].state is RefundState.DONE, now=self._clock.now()
        )
        return self._changed(connection, after)

    def _refunding(self) -> Sequence[ClinicalOrder]:
        return self._database.read(
            lambda connection: store.in_state(connection, self._institution, OrderState.REFUNDING)
        )

    # Looking

    def _view(self, books: _Books, order: ClinicalOrder, prices: PriceList) -> OrderView:
        items = books.of_order(order)
        amount = bill_amount(items)
        where = books.standing(order)
        if where is Standing.DRAFT:
            known = [line.line for line in order.lines if line.medins_list_codg in prices.items]
            amount = total([_amount(line, prices) for line in known])
        paid = amount if _is_settled(books, items) else ZERO
        is_open = where in {Standing.SIGNED, Standing.UPLOADED, Standing.PAYING}
        return OrderView(order, where, amount, amount if is_open else ZERO, paid, items)

    def _books_of(self, connection: Connection, order_no: OrderNo) -> tuple[_Books, ClinicalOrder]:
        order = self._order(connection, order_no)
        return self._books(connection, order.encounter_no), order

    def _books(self, connection: Connection, encounter_no: EncounterNo) -> _Books:
        # Until a cancellation is decided its lines are neither paid nor open.
        ending = payments.cancelling_of(connection, self._institution, encounter_no)
        batches = [
            replace(batch, state=BatchState.HELD) if batch.held_by in ending else batch
            for batch in charges.batches_of(connection, self._institution, encounter_no)
        ]
        return _Books(
            encounter=_encounter(connection, self._institution, encounter_no),
            orders=store.of_encounter(connection, self._institution, encounter_no),
            items=charges.items_of(connection, self._institution, encounter_no),
            batches={batch.chrg_bchno: batch for batch in batches},
        )

    def _order(self, connection: Connection, order_no: OrderNo) -> ClinicalOrder:
        found = store.by_number(connection, self._institution, order_no)
        if found is None:
            raise Refused(ORDER_NOT_FOUND)
        return found

    def _changed(self, connection: Connection, order: ClinicalOrder) -> ClinicalOrder:
        store.change(connection, order)
        if order.state is OrderState.WITHDRAWN and self._pharmacy is not None:
            self._pharmacy.withdrawn(connection, command_id=order.charged_by)
        return order


def _is_settled(books: _Books, items: Sequence[ChargeItem]) -> bool:
    states = {books.batches[item.chrg_bchno].state for item in items}
    return states == {BatchState.SETTLED}


def _amount(line: OrderLine, prices: PriceList) -> Fen:
    return line_amount(prices.priced(line.medins_list_codg).pric_yuan, line.cnt)


def _encounter(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Encounter:
    stored = encounters.by_number(connection, institution, encounter_no)
    if stored is None:
        raise Refused(ENCOUNTER_NOT_FOUND)
    return stored.encounter
