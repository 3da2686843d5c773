import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.money import Fen
from shualian.insurer.funds.model import (
    Account,
    Cause,
    Posting,
    PostingId,
    balances,
    cash_clearing,
    contributions,
    fund,
    mirror,
    payable,
    personal,
)

CLINIC = InstitutionCode("H99000000001")
ACCOUNTS = (
    fund("990000", "310100"),
    fund("990000", "330100"),
    personal(PersonNo("P1")),
    personal(PersonNo("P2")),
    payable(CLINIC),
    cash_clearing(CLINIC),
    contributions("990000"),
)


@st.composite
def postings(draw: st.DrawFn) -> list[Posting]:
    made: list[Posting] = []
    undone: set[PostingId] = set()
    for number in range(draw(st.integers(0, 12))):
        open_ = [p for p in made if p.posting_id not in undone and p.undoes is None]
        new_id = PostingId(str(number))
        if open_ and number % 3:
            original = draw(st.sampled_from(open_))
            undone.add(original.posting_id)
            made.append(
                mirror(original, posting_id=new_id, cause=Cause.CANCELLATION, cause_id=str(number))
            )
        else:
            made.append(Posting(new_id, Cause.SETTLEMENT, str(number), draw(entries())))
    return made


@st.composite
def entries(draw: st.DrawFn) -> dict[Account, Fen]:
    *accounts, last = draw(st.lists(st.sampled_from(ACCOUNTS), min_size=2, unique=True))
    amounts = st.integers(-(10**9), 10**9).filter(bool).map(Fen)
    moved = {account: draw(amounts) for account in accounts}
    rest = Fen(-sum(moved.values()))
    return {**moved, last: rest} if rest else moved


@given(postings())
def test_the_books_add_up_to_zero_after_any_postings_and_corrections(made: list[Posting]) -> None:
    assert sum(balances(made).values()) == 0


@given(postings())
def test_books_in_which_everything_is_undone_hold_nothing(made: list[Posting]) -> None:
    undone = {posting.undoes for posting in made}
    mirrors = [
        mirror(
            posting,
            posting_id=PostingId(f"undo {posting.posting_id}"),
            cause=Cause.CANCELLATION,
            cause_id=posting.cause_id,
        )
        for posting in made
        if posting.undoes is None and posting.posting_id not in undone
    ]

    assert not any(balances([*made, *mirrors]).values())


@pytest.mark.parametrize(
    "wrong",
    [
        {ACCOUNTS[0]: Fen(-1)},
        {ACCOUNTS[0]: Fen(-1), ACCOUNTS[4]: Fen(2)},
        {ACCOUNTS[0]: Fen(0), ACCOUNTS[4]: Fen(0)},
    ],
)
def test_a_posting_that_does_not_balance_or_moves_nothing_cannot_be_made(
    wrong: dict[Account, Fen],
) -> None:
    with pytest.raises(ValueError, match=r"a posting|an entry"):
        Posting(PostingId("1"), Cause.SETTLEMENT, "1", wrong)


def test_the_accounts_of_an_institution_and_a_person_are_apart() -> None:
    same = PersonNo(CLINIC)

    assert len({personal(same), payable(CLINIC), cash_clearing(CLINIC)}) == 3
