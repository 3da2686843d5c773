import threading

import pytest
from sqlalchemy.exc import IntegrityError

from insurer.office import NOW, Office
from shualian.core.identifiers import CommandId, InstitutionCode, PersonNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.funds import store
from shualian.insurer.funds.model import (
    Account,
    BooksCheck,
    Cause,
    Posting,
    PostingId,
    contributions,
    mirror,
    payable,
    personal,
)

PERSON = PersonNo("P1")
CLINIC = payable(InstitutionCode("H99000000001"))


def credit(office: Office, command: str, amount: int, psn_no: PersonNo = PERSON) -> Fen:
    return office.funds.credit_personal_account(
        command_id=CommandId(command), psn_no=psn_no, region="990000", amount=Fen(amount)
    )


def book(office: Office, number: str, entries: dict[Account, Fen]) -> Posting:
    posting = Posting(PostingId(number), Cause.SETTLEMENT, number, entries)
    office.database.write(lambda c: store.book(c, posting, booked_at=NOW))
    return posting


def test_contributions_fill_the_account_and_the_books_stay_coherent(any_office: Office) -> None:
    assert credit(any_office, "1", 100_00) == 100_00
    assert credit(any_office, "2", 20_00) == 120_00

    assert any_office.funds.balance(PERSON) == 120_00
    assert any_office.funds.account_sum(personal(PERSON)) == 120_00
    assert any_office.funds.account_sum(contributions("990000")) == -120_00
    assert any_office.funds.check_books().coherent


def test_a_repeated_command_credits_once(any_office: Office) -> None:
    credit(any_office, "1", 100_00)

    assert credit(any_office, "1", 100_00) == 100_00


def test_a_command_with_another_amount_or_person_is_refused(office: Office) -> None:
    credit(office, "1", 100_00)

    for amount, person in ((99_00, PERSON), (100_00, PersonNo("P2"))):
        with pytest.raises(Refused) as refused:
            credit(office, "1", amount, person)
        assert refused.value.kind.code == "insurer.command_differs"
    assert office.funds.balance(PERSON) == 100_00


@pytest.mark.parametrize("amount", [0, -1])
def test_only_an_amount_above_zero_can_be_credited(office: Office, amount: int) -> None:
    with pytest.raises(Refused) as refused:
        credit(office, "1", amount)

    assert refused.value.kind.code == "insurer.amount_not_positive"


def test_an_account_that_never_held_money_holds_nothing(office: Office) -> None:
    assert office.funds.balance(PersonNo("nobody")) == 0


@pytest.mark.parametrize("held", [0, 50_00])
def test_an_account_never_falls_below_zero(any_office: Office, held: int) -> None:
    if held:
        credit(any_office, "1", held)

    with pytest.raises(Refused) as refused:
        book(any_office, "S1", {personal(PERSON): Fen(-held - 1), CLINIC: Fen(held + 1)})

    assert refused.value.kind.code == "insurer.account_too_low"
    assert any_office.funds.balance(PERSON) == held
    assert any_office.funds.account_sum(CLINIC) == 0


def test_a_posting_is_undone_once(any_office: Office) -> None:
    credit(any_office, "1", 50_00)
    posting = book(any_office, "S1", {personal(PERSON): Fen(-20_00), CLINIC: Fen(20_00)})

    def undo(number: str) -> None:
        undone = mirror(
            posting, posting_id=PostingId(number), cause=Cause.CANCELLATION, cause_id=number
        )
        any_office.database.write(lambda c: store.book(c, undone, booked_at=NOW))

    undo("C1")
    with pytest.raises(IntegrityError):
        undo("C2")

    assert any_office.funds.balance(PERSON) == 50_00
    assert any_office.funds.check_books().coherent


def test_a_posting_comes_back_from_the_database_as_it_went_in(office: Office) -> None:
    credit(office, "1", 50_00)
    posting = book(office, "S1", {personal(PERSON): Fen(-20_00), CLINIC: Fen(20_00)})

    read = office.database.read(lambda c: store.posting_of(c, Cause.SETTLEMENT, "S1"))
    assert read == posting
    assert posting in office.database.read(store.all_postings)


def test_parallel_withdrawals_never_overdraw(any_office: Office) -> None:
    credit(any_office, "1", 50_00)
    refused: list[str] = []

    def withdraw(number: int) -> None:
        try:
            book(any_office, f"S{number}", {personal(PERSON): Fen(-20_00), CLINIC: Fen(20_00)})
        except Refused as refusal:
            refused.append(refusal.kind.code)

    threads = [threading.Thread(target=withdraw, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refused == ["insurer.account_too_low"] * 4
    assert any_office.funds.balance(PERSON) == 10_00
    assert any_office.funds.check_books().coherent


def test_a_changed_balance_or_entry_is_noticed(office: Office) -> None:
    credit(office, "1", 50_00)
    credit(office, "2", 50_00, PersonNo("P2"))
    accounts, entries = store.personal_account, store.ledger_entry

    office.database.write(
        lambda c: c.execute(
            accounts.update().where(accounts.c.psn_no == PERSON).values(balance_fen=60_00)
        )
    )
    assert office.funds.check_books() == BooksCheck(Fen(0), 0, 1)

    office.database.write(
        lambda c: c.execute(
            entries.update()
            .where(entries.c.account_owner == "P2")
            .values(amount_fen=entries.c.amount_fen + 1)
        )
    )
    assert office.funds.check_books() == BooksCheck(Fen(1), 1, 2)


def test_entries_without_a_balance_row_are_noticed(office: Office) -> None:
    credit(office, "1", 50_00)

    office.database.write(lambda c: c.execute(store.personal_account.delete()))

    assert office.funds.check_books() == BooksCheck(Fen(0), 0, 1)


# Pending


def announce(office: Office, command: str, amount: int) -> None:
    office.funds.announce_transfer(
        command_id=CommandId(command), psn_no=PERSON, region="990000", amount=Fen(amount)
    )


def test_money_on_its_way_counts_for_nothing_until_it_arrives(any_office: Office) -> None:
    announce(any_office, "T1", 80_00)
    announce(any_office, "T1", 80_00)

    assert any_office.funds.balance(PERSON) == 0
    assert any_office.funds.account_sum(personal(PERSON)) == 0
    assert any_office.funds.pending(personal(PERSON)) == 80_00
    assert any_office.funds.check_books().coherent

    for _ in range(2):
        any_office.funds.resolve_transfer(command_id=CommandId("T1"), arrived=True)

    assert any_office.funds.balance(PERSON) == 80_00
    assert any_office.funds.account_sum(contributions("990000")) == -80_00
    assert any_office.funds.pending(personal(PERSON)) == 0
    assert any_office.funds.check_books().coherent


def test_money_that_does_not_arrive_is_voided_and_stays_so(any_office: Office) -> None:
    announce(any_office, "T1", 80_00)
    any_office.funds.resolve_transfer(command_id=CommandId("T1"), arrived=False)

    with pytest.raises(Refused) as refused:
        any_office.funds.resolve_transfer(command_id=CommandId("T1"), arrived=True)

    assert refused.value.kind.code == "insurer.command_differs"
    assert any_office.funds.balance(PERSON) == 0
    assert any_office.funds.pending(personal(PERSON)) == 0
    assert any_office.funds.check_books().coherent


def test_a_transfer_that_was_never_announced_is_not_resolved(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        office.funds.resolve_transfer(command_id=CommandId("T9"), arrived=True)

    assert refused.value.kind.code == "insurer.transfer_not_found"


def test_a_transfer_announced_with_another_amount_is_refused(office: Office) -> None:
    announce(office, "T1", 80_00)

    for amount, code in ((81_00, "insurer.command_differs"), (0, "insurer.amount_not_positive")):
        with pytest.raises(Refused) as refused:
            announce(office, "T1", amount)
        assert refused.value.kind.code == code
