import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from insurer.office import (
    CLINIC,
    CONSULTATION,
    FOLDER,
    HOSPITAL,
    NOW,
    WORKED_BILL,
    Charged,
    Office,
    bill,
    charge,
    confirmed,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import (
    AuthNo,
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    VisitId,
    new_identifier,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import broken_identities
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.model import cash_clearing, fund, payable
from shualian.insurer.persons.model import InsuranceStatus
from shualian.insurer.settlement import service, statements, store
from shualian.insurer.settlement.model import SettlementKind, Visit
from shualian.insurer.settlement.ports import FaceProofs
from shualian.verification.model import Scene
from shualian.verification.service import Verification

POOLED = fund("990000", "310100")
OP1 = EncounterNo("OP1")


def refusal(do: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value


def past_the_deductible(office: Office, psn_no: PersonNo) -> None:
    office.charged(psn_no, charge("D", 500_00)).settle()


def state(office: Office, psn_no: PersonNo) -> tuple[object, ...]:
    """All that a settlement can move."""
    return (
        office.funds.balance(psn_no),
        office.settlements.year_counters(psn_no=psn_no, insutype="310", year=2026),
        office.funds.account_sum(POOLED),
        office.funds.account_sum(payable(CLINIC)),
        office.funds.account_sum(cash_clearing(CLINIC)),
    )


# Visits


def test_a_visit_opened_twice_under_one_number_is_one_visit(any_office: Office) -> None:
    person = any_office.insured()
    registration = any_office.registration(person.psn_no, "OP1")

    first = any_office.settlements.open_visit(institution=CLINIC, registration=registration)
    again = any_office.settlements.open_visit(institution=CLINIC, registration=registration)
    elsewhere = any_office.settlements.open_visit(institution=HOSPITAL, registration=registration)

    assert again == first
    assert elsewhere.mdtrt_id != first.mdtrt_id


def test_a_visit_number_used_for_another_visit_is_refused(office: Office) -> None:
    one, other = office.insured(1), office.insured(2)
    office.settlements.open_visit(
        institution=CLINIC, registration=office.registration(one.psn_no, "OP1")
    )

    refused = refusal(
        lambda: office.settlements.open_visit(
            institution=CLINIC, registration=office.registration(other.psn_no, "OP1")
        )
    )

    assert refused.kind.code == "insurer.visit_differs"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"psn_no": PersonNo("nobody")}, "insurer.person_not_found"),
        ({"insutype": "390"}, "insurer.person_not_found"),
        ({"begntime": NOW - timedelta(days=8)}, "insurer.visit_time_invalid"),
        ({"begntime": NOW + timedelta(days=1)}, "insurer.visit_time_invalid"),
    ],
)
def test_a_visit_that_cannot_be_is_refused(
    office: Office, change: dict[str, object], code: str
) -> None:
    registration = replace(office.registration(office.insured().psn_no), **change)  # type: ignore[arg-type]

    refused = refusal(
        lambda: office.settlements.open_visit(institution=CLINIC, registration=registration)
    )

    assert refused.kind.code == code


def test_an_institution_without_contract_opens_no_visit(office: Office) -> None:
    person = office.insured()

    refused = refusal(lambda: office.visit(person.psn_no, institution=InstitutionCode("H0")))

    assert refused.kind.code == "insurer.institution_not_contracted"


def test_a_paused_insurance_opens_no_visit_and_settles_nothing(office: Office) -> None:
    person = office.insured()
    charged = office.charged(person.psn_no)
    office.persons.set_insurance_status(
        psn_no=person.psn_no, insutype="310", status=InsuranceStatus.PAUSED
    )

    for do in (lambda: office.visit(person.psn_no), charged.pre_settle):
        assert refusal(do).kind.code == "insurer.not_insured"


def test_a_visit_opened_by_face_redeems_the_proof_once(any_office: Office) -> None:
    psn_no = any_office.insured().psn_no
    evidence = any_office.proofs.issue(psn_no, Scene.REGISTRATION, CLINIC, Fen(0))
    registration = any_office.registration(psn_no, "OP1")

    def open_visit(number: str = "OP1") -> Visit:
        return any_office.settlements.open_visit(
            institution=CLINIC,
            registration=replace(registration, ipt_otp_no=EncounterNo(number)),
            evidence=evidence,
        )

    visit = open_visit()

    assert visit.intent_id == evidence.intent_id
    assert any_office.proofs.redemptions() == [(evidence.intent_id, "register")]
    assert open_visit() == visit
    assert refusal(lambda: open_visit("OP2")).kind.code == "insurer.intent_used"


def test_a_visit_is_not_opened_on_a_proof_of_something_else(office: Office) -> None:
    one, other = office.insured(1).psn_no, office.insured(2).psn_no

    for evidence, code in (
        (office.proofs.issue(one, Scene.SETTLEMENT, CLINIC, Fen(0)), "insurer.evidence_invalid"),
        (
            office.proofs.issue(other, Scene.REGISTRATION, CLINIC, Fen(0)),
            "verification.proof_other_beneficiary",
        ),
        (
            office.proofs.issue(one, Scene.REGISTRATION, HOSPITAL, Fen(0)),
            "verification.proof_other_institution",
        ),
    ):
        refused = refusal(
            lambda e=evidence: office.settlements.open_visit(  # type: ignore[misc]
                institution=CLINIC, registration=office.registration(one, "OP1"), evidence=e
            )
        )
        assert refused.kind.code == code
        assert office.database.read(lambda c: store.visit_by_encounter(c, CLINIC, OP1)) is None


# Charge items


def test_uploaded_items_are_answered_with_their_split_in_their_order(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)

    splits = any_office.upload(visit, *reversed(WORKED_BILL))

    assert [
        (
            split.item.feedetl_sn,
            split.fulamt_ownpay_amt,
            split.preselfpay_amt,
            split.inscp_scp_amt,
        )
        for split in splits
    ] == [("3", 12_00, 0, 0), ("2", 0, 0, 30_00), ("1", 0, 2_50, 47_50)]


def test_an_item_uploaded_again_is_answered_again_and_counted_once(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)
    first = any_office.upload(visit, *WORKED_BILL[:2])

    again = any_office.upload(visit, *WORKED_BILL)

    assert again[:2] == first
    charged = Charged(any_office, visit, bill(visit, *WORKED_BILL))
    assert charged.pre_settle().amounts.medfee_sumamt == 92_00


def test_an_item_uploaded_with_other_content_is_refused_and_nothing_is_taken(
    office: Office,
) -> None:
    visit = office.visit(office.insured().psn_no)
    office.upload(visit, charge("1", 10_00))

    refused = refusal(lambda: office.upload(visit, charge("2", 5_00), charge("1", 11_00)))

    assert refused.kind.code == "insurer.charge_differs"
    assert refused.details == {"feedetl_sn": "1"}
    kept = office.database.read(
        lambda c: store.charge_items(c, visit.mdtrt_id, [ChargeItemNo("1"), ChargeItemNo("2")])
    )
    assert list(kept.values()) == [charge("1", 10_00)]


def test_wrong_items_are_refused(office: Office) -> None:
    visit = office.visit(office.insured().psn_no)

    for items, code in (
        ([charge("1", 10_00), charge("1", 10_00)], "insurer.charge_invalid"),
        ([replace(charge("1", 10_00), det_item_fee_sumamt=Fen(1))], "insurer.charge_invalid"),
        ([charge("1", 10_00, "no such code")], "insurer.item_not_in_catalogue"),
    ):
        assert refusal(lambda items=items: office.upload(visit, *items)).kind.code == code  # type: ignore[misc]


def test_items_of_a_strange_visit_are_refused(office: Office) -> None:
    person, other = office.insured(1), office.insured(2)
    visit = office.visit(person.psn_no)

    for institution, mdtrt_id, psn_no in (
        (HOSPITAL, visit.mdtrt_id, person.psn_no),
        (CLINIC, VisitId("none"), person.psn_no),
        (CLINIC, visit.mdtrt_id, other.psn_no),
    ):
        refused = refusal(
            lambda i=institution, m=mdtrt_id, p=psn_no: office.settlements.upload_charge_items(  # type: ignore[misc]
                institution=i, mdtrt_id=m, psn_no=p, items=WORKED_BILL
            )
        )
        assert refused.kind.code == "insurer.visit_not_found"


# Pre-settlement and settlement


def test_pre_settlement_changes_nothing_and_settlement_gives_the_same(any_office: Office) -> None:
    person = any_office.insured(balance=200_00)
    past_the_deductible(any_office, person.psn_no)
    charged = any_office.charged(person.psn_no)
    before = state(any_office, person.psn_no)

    first, second = charged.pre_settle(), charged.pre_settle()

    assert first == second
    assert state(any_office, person.psn_no) == before
    assert charged.settle().settlement == first


def test_a_settlement_moves_fund_account_and_counters_at_once(any_office: Office) -> None:
    person = any_office.insured()
    past_the_deductible(any_office, person.psn_no)
    any_office.credit(person.psn_no, 200_00)
    counters = any_office.settlements.year_counters

    record = any_office.charged(person.psn_no).settle()

    amounts = record.settlement.amounts
    assert (amounts.hifp_pay, amounts.acct_pay, amounts.psn_cash_pay) == (62_00, 18_00, 12_00)
    assert amounts.balc == any_office.funds.balance(person.psn_no) == 182_00
    assert any_office.funds.account_sum(POOLED) == -62_00
    assert any_office.funds.account_sum(payable(CLINIC)) == 592_00
    assert any_office.funds.account_sum(cash_clearing(CLINIC)) == -512_00
    assert counters(psn_no=person.psn_no, insutype="310", year=2026) == {
        "otp_dedc": 500_00,
        "otp_scope": 77_50,
        "otp_hifp": 62_00,
    }
    assert any_office.funds.check_books().coherent


def test_a_settlement_comes_back_from_the_books_as_it_was_answered(any_office: Office) -> None:
    record = any_office.charged(any_office.insured(balance=10_00).psn_no).settle()

    found = any_office.settlements.find_settlement(institution=CLINIC, setl_id=record.setl_id)

    assert found == record
    assert found.kind is SettlementKind.SETTLEMENT


def test_what_an_institution_settled_is_hidden_from_others(office: Office) -> None:
    record = office.charged(office.insured().psn_no).settle()

    for institution, setl_id in ((HOSPITAL, record.setl_id), (CLINIC, SettlementId("none"))):
        refused = refusal(
            lambda i=institution, s=setl_id: office.settlements.find_settlement(  # type: ignore[misc]
                institution=i, setl_id=s
            )
        )
        assert refused.kind.code == "insurer.settlement_not_found"


def test_a_repeated_command_is_answered_without_a_look_at_the_proof(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    record = charged.settle("K1", agreed=agreed, evidence=evidence)
    before = state(any_office, person.psn_no)
    any_office.clock.set(NOW + timedelta(days=1))

    again = charged.settle("K1", agreed=agreed, evidence=evidence)

    assert again == record
    assert any_office.proofs.redemptions() == [(evidence.intent_id, "settle")]
    assert state(any_office, person.psn_no) == before


def test_a_repeated_command_that_says_something_else_is_refused(office: Office) -> None:
    charged = office.charged(office.insured(balance=50_00).psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    charged.settle("K1", agreed=agreed, evidence=evidence)

    others: list[Callable[[], object]] = [
        lambda: charged.settle("K1", agreed=agreed, evidence=charged.proof()),
        lambda: charged.settle("K1", agreed=replace(agreed, acct_pay=None), evidence=evidence),
        lambda: charged.settle(
            "K1", agreed=agreed, evidence=evidence, of=replace(charged.bill, acct_used=False)
        ),
    ]
    for other in others:
        assert refusal(other).kind.code == "insurer.command_differs"


def test_the_same_command_number_of_another_institution_is_another_command(
    office: Office,
) -> None:
    person = office.insured()
    here = office.charged(person.psn_no)
    there = office.charged(person.psn_no, institution=HOSPITAL)

    assert here.settle("K1").setl_id != there.settle("K1").setl_id


@pytest.mark.parametrize(
    "part", ["settlement_row", "hold_items", "grow_counters", "event", "done_row"]
)
def test_a_settlement_that_fails_half_way_leaves_nothing_and_the_repeat_goes_through(
    any_office: Office, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    before = state(any_office, person.psn_no)

    with monkeypatch.context() as crash:
        crash.setattr(statements, part, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            charged.settle("K1", agreed=agreed, evidence=evidence)
    assert any_office.proofs.redemptions() == []
    assert state(any_office, person.psn_no) == before

    record = charged.settle("K1", agreed=agreed, evidence=evidence)

    assert any_office.proofs.redemptions() == [(evidence.intent_id, "settle")]
    assert any_office.funds.balance(person.psn_no) == record.settlement.amounts.balc == 0
    assert any_office.funds.check_books().coherent


def test_a_settlement_whose_writing_fails_leaves_nothing_and_the_repeat_goes_through(
    any_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    before = state(any_office, person.psn_no)

    with monkeypatch.context() as crash:
        crash.setattr(ledger, "check_booked", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            charged.settle("K1", agreed=agreed, evidence=evidence)
    assert any_office.proofs.redemptions() == []
    assert state(any_office, person.psn_no) == before

    assert charged.settle("K1", agreed=agreed, evidence=evidence)


def test_amounts_that_do_not_add_up_are_never_booked(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = office.insured(balance=50_00)
    charged = office.charged(person.psn_no)
    before = state(office, person.psn_no)
    monkeypatch.setattr(service, "broken_identities", lambda _: ("a fen is missing",))

    with pytest.raises(AssertionError, match="a fen is missing"):
        charged.settle()

    assert state(office, person.psn_no) == before


def test_a_wrong_amount_is_refused_before_the_proof_is_looked_at(office: Office) -> None:
    person = office.insured()
    past_the_deductible(office, person.psn_no)
    office.credit(person.psn_no, 50_00)
    charged = office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    used = office.proofs.redemptions()

    wrong_split = refusal(
        lambda: charged.settle(agreed=replace(agreed, preselfpay_amt=Fen(2_49)), evidence=evidence)
    )
    wrong_total = refusal(
        lambda: charged.settle(
            agreed=agreed,
            evidence=evidence,
            of=replace(charged.bill, medfee_sumamt=Fen(91_99)),
        )
    )

    assert wrong_split.kind.code == wrong_total.kind.code == "insurer.amounts_differ"
    assert wrong_split.details == {
        "field": "preselfpay_amt",
        "found_fen": 2_49,
        "expected_fen": 2_50,
    }
    assert wrong_total.details == {
        "field": "medfee_sumamt",
        "found_fen": 91_99,
        "expected_fen": 92_00,
    }
    assert office.proofs.redemptions() == used


def test_a_split_that_changed_since_it_was_confirmed_is_refused(office: Office) -> None:
    person = office.insured(balance=50_00)
    one, other = office.charged(person.psn_no), office.charged(person.psn_no)
    agreed = confirmed(one.pre_settle())
    other.settle()

    refused = refusal(lambda: one.settle(agreed=agreed))

    assert refused.kind.code == "insurer.amounts_differ"
    assert refused.details["field"] == "acct_pay"


def test_a_proof_that_is_refused_moves_nothing(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    before = state(any_office, person.psn_no)
    stolen = replace(charged.proof(), auth_no=AuthNo("guessed"))

    refused = refusal(lambda: charged.settle(evidence=stolen))

    assert refused.kind.code == "verification.proof_not_found"
    assert state(any_office, person.psn_no) == before


def test_a_proof_is_asked_for_exactly_this_bill(office: Office) -> None:
    person, other = office.insured(1), office.insured(2)
    charged, dearer = office.charged(person.psn_no), office.charged(other.psn_no)

    for evidence, code in (
        (dearer.proof(), "beneficiary"),
        (replace(charged.proof(), subject=other.psn_no), "subject"),
        (replace(charged.proof(), scene=Scene.DISPENSING), "scene"),
        (replace(charged.proof(), intent_id=IntentId("another")), "intent"),
    ):
        refused = refusal(lambda e=evidence: charged.settle(evidence=e))  # type: ignore[misc]
        assert refused.kind.code.startswith("verification.proof_other")
        assert code in refused.kind.code or code == "beneficiary"
    assert office.proofs.redemptions() == []


def test_a_proof_for_another_scene_cannot_settle(office: Office) -> None:
    charged = office.charged(office.insured().psn_no)

    refused = refusal(
        lambda: charged.settle(evidence=replace(charged.proof(), scene=Scene.REGISTRATION))
    )

    assert refused.kind.code == "insurer.evidence_invalid"


def test_one_confirmation_pays_one_bill(any_office: Office) -> None:
    person = any_office.insured(balance=500_00)
    one, other = any_office.charged(person.psn_no), any_office.charged(person.psn_no)
    evidence = one.proof()
    one.settle(evidence=evidence)
    before = state(any_office, person.psn_no)

    refused = refusal(lambda: other.settle(evidence=evidence))

    assert refused.kind.code == "insurer.intent_used"
    assert state(any_office, person.psn_no) == before


def test_a_batch_is_settled_once_and_other_batches_wait(any_office: Office) -> None:
    visit = any_office.visit(any_office.insured().psn_no)
    first, second = charge("1", 10_00, batch="B1"), charge("2", 20_00, batch="B2")
    any_office.upload(visit, first, second)
    one, other = (Charged(any_office, visit, bill(visit, item)) for item in (first, second))

    agreed = confirmed(one.pre_settle())
    assert one.settle(agreed=agreed).settlement.amounts.medfee_sumamt == 10_00
    refused = refusal(lambda: one.settle(agreed=agreed))
    assert refused.kind.code == "insurer.nothing_to_settle"
    assert other.settle().settlement.amounts.medfee_sumamt == 20_00


def test_a_bill_under_another_insurance_or_kind_of_visit_is_refused(office: Office) -> None:
    charged = office.charged(office.insured().psn_no)

    for change, code in (
        ({"insutype": "390"}, "insurer.insurance_differs"),
        ({"med_type": "51"}, "insurer.no_benefit_rule"),
        ({"chrg_bchno": "none"}, "insurer.nothing_to_settle"),
        ({"mdtrt_id": VisitId("none")}, "insurer.visit_not_found"),
    ):
        wrong = Charged(office, charged.visit, replace(charged.bill, **change))
        assert refusal(wrong.pre_settle).kind.code == code


def test_the_level_of_the_institution_decides_the_share(office: Office) -> None:
    person = office.insured()
    past_the_deductible(office, person.psn_no)
    item = charge("1", 100_00)

    clinic = office.charged(person.psn_no, item).pre_settle()
    hospital = office.charged(person.psn_no, item, institution=HOSPITAL).pre_settle()

    assert (clinic.amounts.hifp_pay, hospital.amounts.hifp_pay) == (80_00, 60_00)


def test_a_new_year_in_china_begins_with_new_counters(office: Office) -> None:
    person = office.insured()
    office.clock.set(datetime(2026, 12, 31, 15, 30, tzinfo=UTC))
    office.charged(person.psn_no, charge("1", 500_00)).settle()

    office.clock.set(datetime(2026, 12, 31, 16, 30, tzinfo=UTC))
    record = office.charged(person.psn_no, charge("1", 100_00)).settle()

    assert record.year == 2027
    assert record.settlement.amounts.act_pay_dedc == 100_00
    counters = office.settlements.year_counters
    assert counters(psn_no=person.psn_no, insutype="310", year=2026) == {"otp_dedc": 500_00}
    assert counters(psn_no=person.psn_no, insutype="310", year=2027) == {"otp_dedc": 100_00}


# Cancellation


def test_a_cancellation_restores_everything_and_negates_every_amount(any_office: Office) -> None:
    person = any_office.insured()
    past_the_deductible(any_office, person.psn_no)
    any_office.credit(person.psn_no, 200_00)
    charged, before = any_office.charged(person.psn_no), state(any_office, person.psn_no)
    record = charged.settle()

    undone = charged.cancel(record)

    settled, cancelled = record.settlement.amounts, undone.settlement.amounts
    assert undone.kind is SettlementKind.CANCELLATION
    assert undone.cancels == record.setl_id != undone.setl_id
    assert cancelled.medfee_sumamt == -settled.medfee_sumamt == -92_00
    assert (cancelled.hifp_pay, cancelled.acct_pay) == (-62_00, -18_00)
    assert cancelled.balc == 200_00
    assert broken_identities(cancelled) == ()
    assert [row.fund_payamt for row in undone.settlement.details] == [-62_00, -18_00]
    after = state(any_office, person.psn_no)
    counters = {"otp_dedc": 500_00, "otp_scope": 0, "otp_hifp": 0}
    assert (after[0], after[2:]) == (before[0], before[2:])
    assert after[1] == counters
    assert any_office.funds.check_books().coherent


def test_a_cancelled_bill_can_be_settled_again_on_a_new_confirmation(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    first = charged.settle()
    charged.cancel(first)

    second = charged.settle()

    assert second.settlement == first.settlement
    assert second.setl_id != first.setl_id


def test_a_settlement_is_cancelled_once(any_office: Office) -> None:
    charged = any_office.charged(any_office.insured(balance=50_00).psn_no)
    record = charged.settle()
    undone = charged.cancel(record, "C1")

    assert charged.cancel(record, "C1") == undone
    assert refusal(lambda: charged.cancel(record, "C2")).kind.code == "insurer.already_cancelled"
    assert refusal(lambda: charged.cancel(undone)).kind.code == "insurer.settlement_not_found"
    assert any_office.funds.check_books().coherent


def test_a_command_to_cancel_something_else_is_refused(office: Office) -> None:
    person = office.insured()
    charged, other = office.charged(person.psn_no), office.charged(person.psn_no)
    record, second = charged.settle("K1"), other.settle()
    charged.cancel(record, "C1")

    assert refusal(lambda: other.cancel(second, "C1")).kind.code == "insurer.command_differs"
    assert refusal(lambda: other.cancel(second, "K1")).kind.code == "insurer.command_differs"


def test_nobody_cancels_a_strange_settlement(office: Office) -> None:
    person, other = office.insured(1), office.insured(2)
    record = office.charged(person.psn_no).settle()

    for institution, mdtrt_id, psn_no in (
        (HOSPITAL, record.mdtrt_id, person.psn_no),
        (CLINIC, VisitId("none"), person.psn_no),
        (CLINIC, record.mdtrt_id, other.psn_no),
    ):
        refused = refusal(
            lambda i=institution, m=mdtrt_id, p=psn_no: office.settlements.cancel_settlement(  # type: ignore[misc]
                institution=i,
                command_id=CommandId(new_identifier()),
                setl_id=record.setl_id,
                mdtrt_id=m,
                psn_no=p,
            )
        )
        assert refused.kind.code == "insurer.settlement_not_found"


# Outside


def test_an_answer_at_rest_is_sealed(tmp_path: Path) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/sealed.db")
    office = Office(database, tmp_path)
    charged = office.charged(
        office.insured(balance=50_00).psn_no,
        charge("1", 30_00, CONSULTATION),
        charge("2", 12_00, FOLDER),
    )
    evidence = charged.proof()
    charged.settle(evidence=evidence)

    on_disk = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("sealed.db*")))
    database.close()
    on_disk += (tmp_path / "sealed.db").read_bytes()

    assert charged.mdtrt_id.encode() in on_disk
    assert evidence.auth_no.encode() not in on_disk
    assert "病历档案袋".encode() not in on_disk
    assert b"Record folder" not in on_disk


def test_verification_redeems_as_the_opening_of_a_visit_asks() -> None:
    asked = inspect.signature(FaceProofs.redeem).parameters
    offered = inspect.signature(Verification.redeem).parameters

    assert {name: each.kind for name, each in asked.items()} == {
        name: each.kind for name, each in offered.items()
    }


def fits(verification: Verification) -> FaceProofs:
    """Checked by mypy: verification is what settlement redeems at."""
    return verification
