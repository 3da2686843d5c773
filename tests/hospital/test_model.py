from dataclasses import fields, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import START, World, classed, split_bill
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import ChargeItemNo, IntentId, StaffId
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.hospital import model
from shualian.hospital.cashier import model as cashier
from shualian.hospital.cashier.closing import model as closing
from shualian.hospital.cashier.overrides import model as overrides
from shualian.hospital.cashier.refunds import model as refunds
from shualian.hospital.cashier.shifts import model as shifts
from shualian.hospital.cashier.tenders import model as tenders
from shualian.hospital.cashier.window import model as window
from shualian.hospital.dispensing import model as dispensing
from shualian.hospital.emergencies import model as emergencies
from shualian.hospital.encounters import model as encounters
from shualian.hospital.model import (
    Amounts,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FeeDetail,
    age_band,
    any_evidence_from_bytes,
    broken_identities,
    check_adds_up,
    evidence_from_bytes,
    evidence_to_bytes,
    refusal_from_text,
    refusal_to_text,
)
from shualian.hospital.orders import model as orders
from shualian.hospital.orders.model import line_amount
from shualian.hospital.payments import model as payments
from shualian.hospital.records import model as records
from shualian.hospital.scheduling import model as scheduling
from shualian.hospital.stock import model as stock

EVERY_REFUSAL = [
    kind
    for room in (
        model,
        records,
        encounters,
        orders,
        payments,
        cashier,
        tenders,
        shifts,
        refunds,
        overrides,
        window,
        closing,
        stock,
        dispensing,
        scheduling,
        emergencies,
    )
    for kind in room.REFUSALS
]


@st.composite
def right_bills(draw: st.DrawFn) -> Amounts:
    codes = draw(st.lists(st.sampled_from(["ZC001", "JC002", "YP003", "YP004"]), min_size=1))
    pric = draw(st.decimals(min_value=0, max_value=900, places=2))
    cnt = draw(st.decimals(min_value=1, max_value=9, places=4))
    amount = line_amount(pric, cnt)
    splits = [
        classed(
            FeeDetail(
                ChargeItemNo(f"F{n}"), START, "X", code, amount, cnt, pric, "A", "A", "D", "D"
            )
        )
        for n, code in enumerate(codes)
    ]
    return split_bill(splits, Fen(draw(st.integers(0, 500_00))))


@given(right_bills())
def test_a_right_bill_breaks_no_identity(amounts: Amounts) -> None:
    assert broken_identities(amounts) == ()
    check_adds_up(amounts)


@given(
    right_bills(),
    st.sampled_from([each.name for each in fields(Amounts) if each.name != "balc"]),
    st.integers(1, 1000),
    st.sampled_from([1, -1]),
)
def test_a_bill_with_one_altered_amount_is_noticed(
    amounts: Amounts, name: str, difference: int, sign: int
) -> None:
    altered = replace(amounts, **{name: Fen(getattr(amounts, name) + sign * difference)})
    in_no_sum = name == "act_pay_dedc"
    room = altered.inscp_scp_amt - altered.act_pay_dedc
    if in_no_sum and altered.act_pay_dedc >= 0 and altered.fund_pay_sumamt <= room:
        return
    with pytest.raises(Refused) as refused:
        check_adds_up(altered)
    assert refused.value.kind is model.ANSWER_INVALID


def test_a_negative_balance_is_noticed() -> None:
    assert broken_identities(Amounts(Fen(0), balc=Fen(-1))) == ("no amount is negative",)


def test_a_stored_refusal_says_the_same_again() -> None:
    kind = RefusalKind(
        "insurer.no", "不行", "No", "换一种", "Another way", Helper.INSURER, Finality.TEMPORARY
    )
    refused = Refused(kind, found_fen=12, ratio=0.5, item="F1")
    again = refusal_from_text(refusal_to_text(refused))
    assert again.kind == kind
    assert again.details == {"found_fen": 12, "ratio": 0.5, "item": "F1"}


def test_sealed_evidence_comes_back_whole_and_is_never_printed(world: World) -> None:
    evidence = world.scan()
    assert evidence_from_bytes(evidence_to_bytes(evidence)) == evidence
    assert evidence.auth_no not in repr(evidence)


@pytest.mark.parametrize(
    "evidence",
    [
        CodeEvidence("token-of-thirty-seconds", IntentId("INTENT")),
        CardEvidence("card-7788", "135790", IntentId("INTENT")),
        DocumentEvidence(IdNumber("11010119900307793X"), StaffId("CLERK"), IntentId("INTENT")),
    ],
    ids=lambda evidence: evidence.channel.value,
)
def test_every_kind_of_evidence_comes_back_whole_and_is_never_printed(evidence: Evidence) -> None:
    assert any_evidence_from_bytes(evidence_to_bytes(evidence)) == evidence
    for secret in ("token-of", "card-7788", "135790", "0307793"):
        assert secret not in repr(evidence)


@pytest.mark.parametrize(
    ("born", "band"),
    [
        (date(2026, 1, 5), "0-9"),
        (date(2016, 1, 6), "0-9"),
        (date(2016, 1, 5), "10-19"),
        (date(1960, 2, 29), "60-69"),
        (date(1936, 1, 5), "90+"),
        (date(1910, 1, 1), "90+"),
    ],
)
def test_the_age_band_changes_on_the_birthday(born: date, band: str) -> None:
    assert age_band(born, date(2026, 1, 5)) == band


def test_every_refusal_has_its_own_code_and_words_in_both_languages() -> None:
    codes = [kind.code for kind in EVERY_REFUSAL]
    assert len(set(codes)) == len(codes)
    for kind in EVERY_REFUSAL:
        assert kind.code.startswith("hospital.")
        assert all((kind.zh, kind.en, kind.next_zh, kind.next_en))
