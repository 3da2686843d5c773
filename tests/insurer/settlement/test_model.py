from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurer.benefits.bills import beneficiaries, bills, sample_policy, visits, years
from insurer.office import CLINIC, HOSPITAL, NOW, charge
from shualian.core.identifiers import (
    AuthNo,
    IntentId,
    PersonNo,
    SettlementId,
    TerminalId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    Beneficiary,
    ClassifiedItem,
    VisitFacts,
    mirrored,
    settle,
)
from shualian.insurer.funds.model import cash_clearing, payable, personal
from shualian.insurer.settlement.model import (
    BEGIN_AHEAD_MAX,
    BEGIN_BEHIND_MAX,
    REFUSALS,
    Bill,
    CancelCommand,
    ChargeItem,
    Confirmed,
    FaceEvidence,
    SettleCommand,
    SettlementKind,
    SettlementRecord,
    check_begin,
    check_charge_item,
    check_confirmed,
    command_digest,
    entries_of,
)
from shualian.verification.model import Scene

POLICY = sample_policy()

COMMAND = SettleCommand(
    institution=CLINIC,
    bill=Bill(VisitId("V1"), PersonNo("P1"), "310", "B1", "11", True, Fen(92_00)),
    confirmed=Confirmed(Fen(12_00), Fen(0), Fen(2_50), Fen(77_50)),
    evidence=FaceEvidence(
        AuthNo("secret-number"),
        IntentId("I1"),
        TerminalId("T1"),
        Scene.SETTLEMENT,
        PersonNo("P1"),
    ),
)


def test_the_proof_number_is_not_printed() -> None:
    assert "secret-number" not in repr(COMMAND)


def test_a_digest_tells_every_part_of_a_command_apart() -> None:
    bill, evidence, confirmed = COMMAND.bill, COMMAND.evidence, COMMAND.confirmed
    assert isinstance(evidence, FaceEvidence)
    others: list[SettleCommand | CancelCommand] = [
        COMMAND,
        replace(COMMAND, institution=HOSPITAL),
        replace(COMMAND, bill=replace(bill, chrg_bchno="B2")),
        replace(COMMAND, bill=replace(bill, acct_used=False)),
        replace(COMMAND, bill=replace(bill, medfee_sumamt=Fen(92_01))),
        replace(COMMAND, confirmed=replace(confirmed, psn_cash_pay=Fen(0))),
        replace(COMMAND, evidence=replace(evidence, auth_no=AuthNo("other"))),
        replace(COMMAND, evidence=replace(evidence, intent_id=IntentId("I2"))),
        CancelCommand(CLINIC, SettlementId("S1"), VisitId("V1"), PersonNo("P1")),
        CancelCommand(CLINIC, SettlementId("S2"), VisitId("V1"), PersonNo("P1")),
    ]

    assert len({command_digest(command) for command in others}) == len(others)
    assert command_digest(COMMAND) == command_digest(replace(COMMAND, bill=replace(bill)))


@pytest.mark.parametrize("moment", [NOW, NOW + BEGIN_AHEAD_MAX, NOW - BEGIN_BEHIND_MAX])
def test_a_visit_may_begin_about_now(moment: object) -> None:
    check_begin(moment, now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "apart", [BEGIN_AHEAD_MAX + timedelta(seconds=1), -BEGIN_BEHIND_MAX - timedelta(seconds=1)]
)
def test_a_visit_that_begins_at_another_time_is_refused(apart: timedelta) -> None:
    with pytest.raises(Refused) as refused:
        check_begin(NOW + apart, now=NOW)

    assert refused.value.kind.code == "insurer.visit_time_invalid"


GOOD = charge("1", 10_00, cnt="3")


@pytest.mark.parametrize(
    "item",
    [
        GOOD,
        replace(GOOD, det_item_fee_sumamt=Fen(9_99)),
        replace(GOOD, det_item_fee_sumamt=Fen(10_01)),
        replace(GOOD, det_item_fee_sumamt=Fen(0), pric=Decimal(0)),
        replace(GOOD, cnt=Decimal("0.0001"), pric=Decimal("0.000001"), det_item_fee_sumamt=Fen(0)),
    ],
)
def test_a_line_may_differ_from_quantity_times_price_by_one_fen(item: ChargeItem) -> None:
    check_charge_item(item)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, det_item_fee_sumamt=Fen(10_02)),
        replace(GOOD, det_item_fee_sumamt=Fen(-10_00), pric=Decimal("-3.333333")),
        replace(GOOD, det_item_fee_sumamt=Fen(0), cnt=Decimal(0)),
        replace(GOOD, cnt=Decimal("3.00001")),
        replace(GOOD, pric=Decimal("3.3333333")),
        replace(GOOD, cnt=Decimal("NaN")),
        replace(GOOD, pric=Decimal("Infinity")),
        replace(GOOD, det_item_fee_sumamt=Fen(10**10), pric=Decimal(10**8), cnt=Decimal(1)),
    ],
)
def test_a_line_out_of_range_or_that_does_not_add_up_is_refused(wrong: ChargeItem) -> None:
    with pytest.raises(Refused) as refused:
        check_charge_item(wrong)

    assert refused.value.kind.code == "insurer.charge_invalid"


@given(bills(), beneficiaries, years, visits, st.data())
def test_any_amount_that_differs_is_named_with_found_and_expected(
    bill: list[ClassifiedItem],
    person: Beneficiary,
    year: dict[str, Fen],
    visit: VisitFacts,
    data: st.DataObject,
) -> None:
    amounts = settle(POLICY, person, year, visit, bill).amounts
    names = list(Confirmed.__dataclass_fields__)
    right = Confirmed(**{name: getattr(amounts, name) for name in names})
    check_confirmed(right, amounts)
    name = data.draw(st.sampled_from(names))
    found = getattr(amounts, name) + data.draw(st.sampled_from([-1, 1]))

    with pytest.raises(Refused) as refused:
        check_confirmed(replace(right, **{name: Fen(found)}), amounts)

    assert refused.value.details == {
        "field": name,
        "found_fen": found,
        "expected_fen": getattr(amounts, name),
    }


def test_amounts_that_an_institution_does_not_know_are_not_compared() -> None:
    amounts = settle(POLICY, Beneficiary("11", Fen(0)), {}, VisitFacts("11", "1", False), [])

    check_confirmed(Confirmed(Fen(0), Fen(0), Fen(0), Fen(0)), amounts.amounts)


@given(bills(), beneficiaries, years, visits, st.booleans())
def test_a_settlement_moves_the_whole_bill_and_adds_up_to_zero(
    bill: list[ClassifiedItem],
    person: Beneficiary,
    year: dict[str, Fen],
    visit: VisitFacts,
    cancelled: bool,
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)
    if cancelled:
        settlement = mirrored(settlement, balc=person.account_balance)
    record = SettlementRecord(
        setl_id=SettlementId("S1"),
        kind=SettlementKind.SETTLEMENT,
        cancels=None,
        mdtrt_id=VisitId("V1"),
        psn_no=PersonNo("P1"),
        institution=CLINIC,
        insutype="310",
        insuplc_admdvs="990000",
        psn_type=person.psn_type,
        med_type="11",
        chrg_bchno="B1",
        setl_time=NOW,
        year=2026,
        settlement=settlement,
    )

    entries, amounts = entries_of(record, POLICY), settlement.amounts

    assert sum(entries.values()) == 0
    assert entries.get(payable(CLINIC), 0) == amounts.medfee_sumamt
    assert entries.get(cash_clearing(CLINIC), 0) == -amounts.psn_cash_pay
    assert entries.get(personal(PersonNo("P1")), 0) == -amounts.acct_pay


def test_refusals_have_codes_of_their_own() -> None:
    codes = [kind.code for kind in REFUSALS]

    assert len(set(codes)) == len(codes)
    assert all(code.startswith("insurer.") for code in codes)
