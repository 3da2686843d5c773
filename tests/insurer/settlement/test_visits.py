"""Registrations cancelled, information told, items withdrawn, stays and pharmacies."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from insurer.office import CLINIC, HOSPITAL, NOW, PHARMACY, Charged, Office, bill, charge, confirmed
from shualian.core.identifiers import CommandId, EncounterNo, PersonNo, new_identifier
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.settlement.model import (
    ChargeItem,
    Purchase,
    SettlementRecord,
    Visit,
    VisitInformation,
    VisitKind,
)
from shualian.verification.model import Scene


def refusal(do: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value


def cancel(office: Office, visit: Visit, number: EncounterNo | None = None) -> None:
    office.settlements.visits.cancel_visit(
        institution=visit.institution,
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.registration.psn_no,
        ipt_otp_no=number or visit.registration.ipt_otp_no,
    )


def withdraw(office: Office, visit: Visit, batch: str = "0000") -> int:
    return office.settlements.visits.withdraw_charge_items(
        institution=visit.institution,
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.registration.psn_no,
        chrg_bchno=batch,
    )


def test_a_cancelled_registration_takes_nothing_more(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)

    cancel(any_office, visit)
    cancel(any_office, visit)

    for do in (
        lambda: any_office.upload(visit, charge("1", 10_00)),
        lambda: any_office.settlements.open_visit(
            institution=CLINIC, registration=visit.registration
        ),
        Charged(any_office, visit, bill(visit, charge("1", 10_00))).pre_settle,
    ):
        assert refusal(do).kind.code == "insurer.visit_cancelled"


def test_a_registration_with_charges_is_not_cancelled(any_office: Office) -> None:
    charged = any_office.charged(any_office.insured().psn_no)
    record = charged.settle()

    assert (
        refusal(lambda: cancel(any_office, charged.visit)).kind.code == "insurer.visit_has_charges"
    )
    charged.cancel(record)
    assert (
        refusal(lambda: cancel(any_office, charged.visit)).kind.code == "insurer.visit_has_charges"
    )
    assert withdraw(any_office, charged.visit) == 3
    cancel(any_office, charged.visit)


def test_a_registration_is_cancelled_by_its_own_number_only(office: Office) -> None:
    visit = office.visit(office.insured().psn_no)

    refused = refusal(lambda: cancel(office, visit, EncounterNo("other")))

    assert refused.kind.code == "insurer.visit_not_found"


def test_withdrawing_takes_the_open_items_of_a_batch(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)
    settled, open_ = charge("1", 10_00, batch="B1"), charge("2", 20_00, batch="B2")
    any_office.upload(visit, settled, open_, charge("3", 30_00, batch="B3"))
    Charged(any_office, visit, bill(visit, settled)).settle()

    assert withdraw(any_office, visit, "B2") == 1
    assert withdraw(any_office, visit, "B2") == 0
    assert withdraw(any_office, visit) == 1
    other = replace(open_, chrg_bchno="B4", det_item_fee_sumamt=Fen(21_00), pric=open_.pric + 1)
    any_office.upload(visit, other)
    assert Charged(any_office, visit, bill(visit, other)).settle()


@pytest.mark.parametrize("withdrawn", ["B1", "0000"])
def test_an_upload_that_comes_after_its_withdrawal_brings_nothing_back(
    any_office: Office, withdrawn: str
) -> None:
    visit = any_office.visit(any_office.insured().psn_no)
    late, settled = charge("1", 10_00, batch="B1"), charge("2", 20_00, batch="B2")
    any_office.upload(visit, late, settled)
    Charged(any_office, visit, bill(visit, settled)).settle()
    withdraw(any_office, visit, withdrawn)

    refused = refusal(lambda: any_office.upload(visit, late))

    assert refused.kind.code == "insurer.batch_withdrawn"
    any_office.upload(visit, settled)
    moved = replace(late, chrg_bchno="B3")
    any_office.upload(visit, moved)
    assert Charged(any_office, visit, bill(visit, moved)).settle()


def test_a_batch_withdrawn_before_its_upload_came_takes_nothing(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)

    assert withdraw(any_office, visit, "B1") == 0
    refused = refusal(lambda: any_office.upload(visit, charge("1", 10_00, batch="B1")))

    assert refused.kind.code == "insurer.batch_withdrawn"
    cancel(any_office, visit)


def test_information_of_the_illness_is_kept_sealed_for_the_institution(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)
    visits = any_office.settlements.visits
    told = VisitInformation("14", "M03900", "口渴两周", ("E11.900",))
    asked = {"mdtrt_id": visit.mdtrt_id, "psn_no": visit.registration.psn_no}
    assert visits.information(institution=CLINIC, **asked) is None  # type: ignore[arg-type]

    visits.tell_information(institution=CLINIC, information=VisitInformation("11"), **asked)  # type: ignore[arg-type]
    visits.tell_information(institution=CLINIC, information=told, **asked)  # type: ignore[arg-type]

    assert visits.information(institution=CLINIC, **asked) == told  # type: ignore[arg-type]
    strange = refusal(lambda: visits.information(institution=HOSPITAL, **asked))  # type: ignore[arg-type]
    assert strange.kind.code == "insurer.visit_not_found"


def test_a_batch_has_one_disease(office: Office) -> None:
    visit = office.visit(office.insured().psn_no)
    office.upload(visit, replace(charge("1", 10_00), dise_codg="M03900"))

    refused = refusal(lambda: office.upload(visit, charge("2", 10_00)))

    assert refused.kind.code == "insurer.disease_differs"


# Stays


def admitted(office: Office, psn_no: PersonNo) -> Visit:
    registration = replace(office.registration(psn_no), kind=VisitKind.INPATIENT)
    return office.settlements.open_visit(institution=HOSPITAL, registration=registration)


def stay(office: Office, visit: Visit, *items: ChargeItem, mid: bool) -> Charged:
    whole = replace(bill(visit, *items), chrg_bchno="", med_type="21", mid_setl=mid)
    return Charged(office, visit, whole)


def leave(office: Office, visit: Visit) -> None:
    office.settlements.visits.discharge(
        institution=HOSPITAL,
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.registration.psn_no,
        endtime=NOW + timedelta(days=3),
    )


def settle_strongly(charged: Charged) -> SettlementRecord:
    return charged.settle(evidence=charged.proof(pin=True))


def test_a_stay_in_two_settlements_bears_its_deductible_once(any_office: Office) -> None:
    one, other = any_office.insured(1).psn_no, any_office.insured(2).psn_no
    first, second = charge("1", 8_000_00, batch="D1"), charge("2", 7_000_00, batch="D2")
    visit = admitted(any_office, one)
    any_office.upload(visit, first)
    middle = settle_strongly(stay(any_office, visit, first, mid=True))
    any_office.upload(visit, second)
    leave(any_office, visit)
    last = settle_strongly(stay(any_office, visit, second, mid=False))

    at_once = admitted(any_office, other)
    any_office.upload(at_once, first, second)
    leave(any_office, at_once)
    whole = settle_strongly(stay(any_office, at_once, first, second, mid=False))

    parts = [record.settlement.amounts for record in (middle, last)]
    assert sum(each.act_pay_dedc for each in parts) == whole.settlement.amounts.act_pay_dedc > 0
    assert sum(each.fund_pay_sumamt for each in parts) == (whole.settlement.amounts.fund_pay_sumamt)
    assert any_office.funds.check_books().coherent


def test_a_stay_takes_its_steps_in_order(any_office: Office) -> None:
    psn_no = any_office.insured().psn_no
    item = charge("1", 800_00)
    visit = admitted(any_office, psn_no)
    any_office.upload(visit, item)
    leave(any_office, visit)
    leave(any_office, visit)

    mid = stay(any_office, visit, item, mid=True)
    assert refusal(mid.pre_settle).kind.code == "insurer.stay_state"
    end = stay(any_office, visit, item, mid=False)
    record = end.settle()
    late = refusal(lambda: any_office.upload(visit, charge("2", 1_00)))
    assert late.kind.code == "insurer.visit_ended"
    undo = {"institution": HOSPITAL, "mdtrt_id": visit.mdtrt_id, "psn_no": psn_no}
    visits = any_office.settlements.visits
    assert refusal(lambda: visits.cancel_discharge(**undo)).kind.code == "insurer.visit_ended"  # type: ignore[arg-type]
    end.cancel(record)
    visits.cancel_discharge(**undo)  # type: ignore[arg-type]
    assert mid.pre_settle().amounts.medfee_sumamt == 800_00


def test_only_a_stay_has_a_middle_and_a_discharge(office: Office) -> None:
    charged = office.charged(office.insured().psn_no, institution=HOSPITAL)

    for wrong in (
        replace(charged.bill, mid_setl=True),
        replace(charged.bill, chrg_bchno=""),
    ):
        of = Charged(office, charged.visit, wrong)
        assert refusal(of.pre_settle).kind.code == "insurer.stay_state"
    assert refusal(lambda: leave(office, charged.visit)).kind.code == "insurer.stay_state"


# Pharmacies


def purchase(office: Office, psn_no: PersonNo, number: str | None = None) -> Purchase:
    registration = replace(office.registration(psn_no, number), kind=VisitKind.PHARMACY)
    items = (charge("1", 20_00), charge("2", 15_00))
    return Purchase(registration, "41", items, acct_used=True, medfee_sumamt=Fen(35_00))


def test_a_pharmacy_opens_charges_and_settles_in_one_step(any_office: Office) -> None:
    psn_no = any_office.insured(balance=100_00).psn_no
    sale = purchase(any_office, psn_no, "S1")
    settlements = any_office.settlements
    quoted = settlements.pre_settle_purchase(institution=PHARMACY, purchase=sale)
    evidence = any_office.proofs.issue(psn_no, Scene.PHARMACY_PURCHASE, PHARMACY, Fen(35_00))

    def sell(command: str) -> SettlementRecord:
        return settlements.settle_purchase(
            institution=PHARMACY,
            command_id=CommandId(command),
            purchase=sale,
            confirmed=confirmed(quoted),
            evidence=evidence,
        )

    record = sell("K1")

    assert record.settlement == quoted
    assert sell("K1") == record
    assert refusal(lambda: sell("K2")).kind.code == "insurer.visit_differs"
    undone = settlements.cancel_settlement(
        institution=PHARMACY,
        command_id=CommandId("C1"),
        setl_id=record.setl_id,
        mdtrt_id=record.mdtrt_id,
        psn_no=psn_no,
    )
    assert undone.settlement.amounts.balc == any_office.funds.balance(psn_no) == 100_00
    assert any_office.funds.check_books().coherent


def test_a_sale_that_is_refused_leaves_no_visit(any_office: Office) -> None:
    psn_no = any_office.insured(balance=100_00).psn_no
    sale = purchase(any_office, psn_no, "S1")
    quoted = any_office.settlements.pre_settle_purchase(institution=PHARMACY, purchase=sale)

    def sell(command: str, cash: Fen | None) -> SettlementRecord:
        return any_office.settlements.settle_purchase(
            institution=PHARMACY,
            command_id=CommandId(command),
            purchase=sale,
            confirmed=replace(confirmed(quoted), psn_cash_pay=cash),
            evidence=any_office.proofs.issue(psn_no, Scene.PHARMACY_PURCHASE, PHARMACY, Fen(35_00)),
        )

    assert refusal(lambda: sell(new_identifier(), Fen(1))).kind.code == "insurer.amounts_differ"
    assert any_office.proofs.redemptions() == []
    assert sell("K2", None)
