"""Pay and release across both halves: the real insurer, its funds and its trace codes."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from hospital.dispensing.pharmacy import box, caller
from hospital.world import BLOOD_PRESSURE_TABLETS, command, sample_number
from shualian.assembly import hospital_beside, open_insurer_side
from shualian.assembly.hospital_side import HospitalSide
from shualian.assembly.insurer_side import InsurerSide
from shualian.core.clock import SystemClock, business_date
from shualian.core.identifiers import ChargeItemNo, EncounterNo, InstitutionCode, StaffId
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.core.settings import HospitalSettings, Settings
from shualian.hospital.cashier.shifts.model import DrawerNo
from shualian.hospital.dispensing.model import (
    DispenseRequest,
    Handover,
    Picked,
    RequestState,
    ReturnPart,
)
from shualian.hospital.model import CardEvidence, DocumentEvidence, FaceEvidence
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.stock.model import Delivery
from shualian.insurer.institutions.model import Institution
from shualian.insurer.persons.model import Insurance, Insured
from shualian.insurer.settlement.model import ChargeItem, Registration
from shualian.insurer.traces.model import BoxState, LineTraces, TraceCode
from shualian.sandbox import city, known_proofs
from shualian.sandbox.known_proofs import KnownProof
from shualian.staff.model import Caller
from shualian.verification.model import Scene

CLOCK = SystemClock()
INSTITUTION = city.HOSPITAL.fixmedins_code
CARD = "A00000001"


class Street:
    """One insurer, one hospital, one insured person with money in the account."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder)
        self.insurer: InsurerSide = open_insurer_side(settings, mode=Mode.SANDBOX, clock=CLOCK)
        self.insurer.institutions.contract(city.HOSPITAL)
        self.person: Insured = self.insurer.insured.persons.register_insured(
            id_number=sample_number(7),
            name="测试甲",
            insurances=[Insurance("310", "1101", "990000")],
        )
        self.insurer.funds.credit_personal_account(
            command_id=command(), psn_no=self.person.psn_no, region="990000", amount=Fen(900_00)
        )
        own = HospitalSettings(
            code=INSTITUTION,
            name=city.HOSPITAL.name,
            terminal_origin=settings.terminal_origin,
            staff_origin=settings.staff_origin,
        )
        self.hospital: HospitalSide = hospital_beside(
            self.insurer, settings, own, mode=Mode.SANDBOX, clock=CLOCK
        )
        self.reviewer: Caller = caller("PH01")
        self.releaser: Caller = caller("PH02")

    def close(self) -> None:
        self.hospital.close()
        self.insurer.close()

    def scan(self) -> FaceEvidence:
        known = KnownProof(
            institution=INSTITUTION,
            beneficiary=self.person.psn_no,
            subject=self.person.psn_no,
            scene=Scene.REGISTRATION,
            amount_max_fen=Fen(0),
        )
        proof = self.insurer.database.write(
            lambda connection: known_proofs.issue(connection, known, now=CLOCK.now())
        )
        return FaceEvidence(
            auth_no=proof.auth_no,
            intent_id=proof.intent_id,
            scene=proof.scene,
            terminal_id=proof.terminal_id,
            first_frame_at=CLOCK.now(),
        )

    def reviewed(self, cnt: str = "2") -> DispenseRequest:
        hospital, evidence = self.hospital, self.scan()
        record = hospital.records.open_record(command_id=command(), evidence=evidence)
        encounter = hospital.encounters.register(
            command_id=command(),
            record_no=record.record_no,
            department=city.RESPIRATORY,
            doctor=city.DOCTOR,
            evidence=evidence,
        )
        number = encounter.encounter_no
        lines = [OrderLine(BLOOD_PRESSURE_TABLETS, Decimal(cnt))]
        hospital.orders.order(command_id=command(), encounter_no=number, lines=lines)
        hospital.orders.upload(encounter_no=number)
        request = hospital.dispensing.open(command_id=command(), encounter_no=number)
        return hospital.dispensing.review(self.reviewer, request_no=request.request_no)

    def billed(self, request: DispenseRequest, *codes: str, cnt: str = "2") -> Handover:
        dispensing = self.hospital.dispensing
        taken = [Picked(0, Decimal(cnt), codes)]
        dispensing.prepare(self.reviewer, request_no=request.request_no, taken=taken)
        return dispensing.bill(self.reviewer, command_id=command(), request_no=request.request_no)

    def release(self, handover: Handover) -> DispenseRequest:
        assert handover.command_id is not None
        assert handover.intent_id is not None
        document = DocumentEvidence(
            self.person.id_number, self.releaser.staff_id, handover.intent_id
        )
        return self.hospital.dispensing.release(
            self.releaser, command_id=handover.command_id, evidence=document
        )


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    expires_on = business_date(CLOCK.now()) + timedelta(days=90)
    street.hospital.stock.receive(
        street.reviewer,
        command_id=command(),
        delivery=Delivery(BLOOD_PRESSURE_TABLETS, "L1", expires_on, Decimal(10)),
    )
    yield street
    street.close()


def test_fund_account_shelf_and_codes_tell_one_story(street: Street) -> None:
    handover = street.billed(street.reviewed(), box(1), box(2))

    assert street.release(handover).state is RequestState.RELEASED

    assert street.insurer.funds.check_books().coherent
    found = street.insurer.traces.find(TraceCode(box(1)))
    assert found is not None
    assert (found.state, found.institution) == (BoxState.LIVE, INSTITUTION)
    (batch,) = street.hospital.stock.of_medicine(BLOOD_PRESSURE_TABLETS)
    assert batch.on_shelf == 8


def test_without_codes_the_insurer_pays_nothing_of_the_line(street: Street) -> None:
    handover = street.billed(street.reviewed())
    assert handover.command_id is not None
    payment = street.hospital.payments.get(command_id=handover.command_id)

    assert payment.confirmed.amounts.fulamt_ownpay_amt == 64_00
    assert payment.confirmed.amounts.fund_pay_sumamt == 0


def test_what_stays_after_a_part_refund_is_as_little_paid_by_the_insurer(street: Street) -> None:
    request = street.reviewed("3")
    handover = street.billed(request, cnt="3")
    assert handover.command_id is not None
    with pytest.raises(Refused) as unpaid:
        street.release(handover)
    assert unpaid.value.kind.code == "hospital.dispense_cash_open"
    clerk = StaffId("CLERK-1")
    street.hospital.desk.shifts.open(
        command_id=command(), drawer=DrawerNo("1"), clerk=clerk, count={}
    )
    street.hospital.cashier.take_cash(
        command_id=command(),
        payment=handover.command_id,
        tendered_fen=Fen(96_00),
        taken_by=clerk,
    )
    street.release(handover)

    street.hospital.returns.give_back(
        street.reviewer,
        command_id=command(),
        request_no=request.request_no,
        parts=[ReturnPart(0, Decimal(1), ())],
        unopened=True,
        reason="医生换药",
    )

    payment = street.hospital.payments.get(command_id=handover.command_id)
    assert payment.rest is not None
    assert payment.rest.amounts.medfee_sumamt == 64_00
    assert payment.rest.amounts.fulamt_ownpay_amt == 64_00
    assert street.insurer.funds.check_books().coherent


def test_a_box_sold_at_another_institution_is_refused_and_both_are_reported(
    street: Street,
) -> None:
    insurer, elsewhere = street.insurer, InstitutionCode("H99000000009")
    insurer.institutions.contract(Institution(elsewhere, "示例社区", "1", "990000"))
    registration = Registration(
        psn_no=street.person.psn_no,
        insutype="310",
        begntime=CLOCK.now(),
        mdtrt_cert_type="02",
        ipt_otp_no=EncounterNo("E9"),
        atddr_no="D9",
        dept_code="A03",
        caty="A03",
    )
    visit = insurer.settlements.open_visit(institution=elsewhere, registration=registration)
    (item,) = street.hospital.orders.items(encounter_no=street.reviewed("1").encounter_no)
    sold = ChargeItem(
        feedetl_sn=ChargeItemNo("F9"),
        chrg_bchno="B9",
        fee_ocur_time=CLOCK.now(),
        med_list_codg=item.med_list_codg,
        medins_list_codg=item.medins_list_codg,
        det_item_fee_sumamt=item.det_item_fee_sumamt,
        cnt=item.cnt,
        pric=item.pric,
        bilg_dept_codg="A03",
        bilg_dr_codg="D9",
    )
    mdtrt_id, psn_no = visit.mdtrt_id, street.person.psn_no
    insurer.settlements.upload_charge_items(
        institution=elsewhere, mdtrt_id=mdtrt_id, psn_no=psn_no, items=[sold]
    )
    insurer.traces.tell(
        institution=elsewhere,
        mdtrt_id=mdtrt_id,
        psn_no=psn_no,
        lines=[LineTraces(sold.feedetl_sn, (TraceCode(box(1)),))],
    )

    with pytest.raises(Refused) as refused:
        street.billed(street.reviewed("1"), box(1), cnt="1")

    assert refused.value.kind.code == "insurer.trace_used"
    (alert,) = insurer.traces.alerts()
    assert (alert.first, alert.second) == (elsewhere, INSTITUTION)


def test_a_card_without_its_pin_collects_nothing(street: Street) -> None:
    request = street.reviewed()
    payment = street.hospital.payments.prepare(
        command_id=command(), encounter_no=request.encounter_no
    )
    paid = DocumentEvidence(street.person.id_number, street.releaser.staff_id, payment.intent_id)
    street.hospital.payments.settle(command_id=payment.command_id, evidence=paid)
    handover = street.billed(request, box(1), box(2))
    assert not handover.pays
    assert handover.command_id is not None
    assert handover.intent_id is not None
    street.insurer.cards.issue(street.person.psn_no, CARD)

    with pytest.raises(Refused) as refused:
        street.hospital.dispensing.release(
            street.releaser,
            command_id=handover.command_id,
            evidence=CardEvidence(CARD, "135790", handover.intent_id),
        )

    # No PIN was set: the insurer says so, and nothing went out.
    assert refused.value.kind.code.startswith("insurer.pin")
    (batch,) = street.hospital.stock.of_medicine(BLOOD_PRESSURE_TABLETS)
    assert batch.on_shelf == 10
