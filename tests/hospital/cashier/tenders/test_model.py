import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import CLERK, HOSPITAL, START, command
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.cashier.tenders.model import (
    CASH_INVALID,
    CASH_TOO_LITTLE,
    NO_CASH_DUE,
    TENDER_OVER,
    TENDER_REFERENCE,
    TENDERS_INVALID,
    Offer,
    Taking,
    TenderKind,
    tenders_for,
)

SLIP = "241105123456"
ORDER = "4200002345202611051234567890"


def cash(fen: int) -> Offer:
    return Offer(TenderKind.CASH, Fen(fen))


def card(fen: int, reference: str = SLIP) -> Offer:
    return Offer(TenderKind.CARD, Fen(fen), reference)


def epay(fen: int, reference: str = ORDER) -> Offer:
    return Offer(TenderKind.EPAY, Fen(fen), reference)


@given(
    st.integers(1, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.permutations([0, 1, 2]),
)
def test_tenders_pay_exactly_what_is_due_or_nothing_is_taken(
    due: int, by_card: int, by_code: int, laid_down: int, order: list[int]
) -> None:
    given = [card(by_card), epay(by_code), cash(laid_down)]
    offers = [given[place] for place in order if given[place].given_fen]
    try:
        tenders = tenders_for(Fen(due), offers)
    except Refused:
        exact = by_card + by_code + laid_down == due
        assert not exact
        return
    assert sum(tender.amount_fen for tender in tenders) == due
    assert all(tender.amount_fen > 0 for tender in tenders)
    changed = [tender for tender in tenders if tender.change_fen]
    assert all(tender.kind is TenderKind.CASH for tender in changed)
    assert [tender.offer for tender in tenders] == offers


@pytest.mark.parametrize(
    ("due", "offers", "kind"),
    [
        (0, [cash(1)], NO_CASH_DUE),
        (10_00, [], TENDERS_INVALID),
        (10_00, [cash(5_00), cash(5_00)], TENDERS_INVALID),
        (10_00, [card(5_00), card(5_00)], TENDERS_INVALID),
        (10_00, [card(0), cash(10_00)], CASH_INVALID),
        (10_00, [card(10_01)], TENDER_OVER),
        (10_00, [card(8_00), epay(3_00)], TENDER_OVER),
        (10_00, [card(8_00), cash(1_99)], CASH_TOO_LITTLE),
        (10_00, [card(10_00), cash(1_00)], CASH_INVALID),
        (10_00, [card(10_00, "")], TENDER_REFERENCE),
        (10_00, [cash(10_00), Offer(TenderKind.CASH, Fen(1), "X")], TENDER_REFERENCE),
    ],
)
def test_what_does_not_pay_to_the_fen_is_refused_for_its_reason(
    due: int, offers: list[Offer], kind: RefusalKind
) -> None:
    with pytest.raises(Refused) as refused:
        tenders_for(Fen(due), offers)
    assert refused.value.kind is kind


@pytest.mark.parametrize(
    "offer",
    [
        card(1_00, "6222021234567890123"),
        card(1_00, "4111111111111"),
        epay(1_00, "134567890123456789"),
        Offer(TenderKind.WAIVER, Fen(1_00), "because"),
    ],
)
def test_a_card_number_or_a_payment_code_is_no_reference(offer: Offer) -> None:
    with pytest.raises(Refused) as refused:
        tenders_for(Fen(1_00), [offer])
    assert refused.value.kind is TENDER_REFERENCE
    assert offer.reference not in str(refused.value)


def test_cash_in_the_drawer_is_what_cash_paid_without_the_change() -> None:
    tenders = tenders_for(Fen(30_00), [card(12_00), cash(20_00)])
    taking = Taking(command(), HOSPITAL, command(), tenders, CLERK, START)
    assert (taking.due_fen, taking.tendered_fen, taking.change_fen) == (30_00, 32_00, 2_00)
    assert taking.cash_fen == 18_00
