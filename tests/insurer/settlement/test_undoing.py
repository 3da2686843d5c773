"""What a command ends as: remembered refusals, late copies, refunds in part, reversals."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from insurer.office import (
    CLINIC,
    CONSULTATION,
    WORKED_BILL,
    Charged,
    Office,
    bill,
    charge,
    confirmed,
)
from shualian.core.identifiers import CommandId, PersonNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.persons.model import InsuranceNote, InsuranceStatus
from shualian.insurer.settlement.evidence.model import EvidenceKind
from shualian.insurer.settlement.model import ReversalOutcome


def refusal(do: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value


def counters(office: Office, psn_no: PersonNo) -> dict[str, Fen]:
    year = office.settlements.year_counters(psn_no=psn_no, insutype="310", year=2026)
    return {name: amount for name, amount in year.items() if amount}


# Refusals that are remembered


def test_a_final_refusal_is_the_answer_to_every_copy_of_the_command(any_office: Office) -> None:
    charged = any_office.charged(any_office.insured(balance=50_00).psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    wrong = replace(agreed, inscp_scp_amt=Fen(1))

    first = refusal(lambda: charged.settle("K1", agreed=wrong, evidence=evidence))
    late = refusal(lambda: charged.settle("K1", agreed=wrong, evidence=evidence))

    assert first.kind.code == late.kind.code == "insurer.amounts_differ"
    assert first.details == late.details
    assert charged.settle("K2", agreed=agreed, evidence=evidence)


def test_a_late_copy_is_refused_even_when_it_could_be_done_by_now(any_office: Office) -> None:
    person = any_office.insured()
    agreed = confirmed(any_office.charged(person.psn_no, charge("1", 30_00)).pre_settle())
    visit = any_office.visit(person.psn_no)
    charged = Charged(any_office, visit, bill(visit, charge("1", 30_00)))
    evidence = charged.proof()
    early = refusal(lambda: charged.settle("K1", agreed=agreed, evidence=evidence))
    any_office.upload(visit, charge("1", 30_00))

    late = refusal(lambda: charged.settle("K1", agreed=agreed, evidence=evidence))

    assert early.kind.code == late.kind.code == "insurer.nothing_to_settle"
    assert charged.settle("K2", agreed=agreed, evidence=evidence)


def test_a_refusal_that_time_mends_is_not_remembered(office: Office) -> None:
    person = office.insured(balance=50_00)
    charged = office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()

    def status(now: InsuranceStatus, note: InsuranceNote | None = None) -> None:
        office.persons.set_insurance_status(
            psn_no=person.psn_no, insutype="310", status=now, note=note
        )

    status(InsuranceStatus.INVALID, InsuranceNote.NOT_SYNCHRONISED)
    refused = refusal(lambda: charged.settle("K1", agreed=agreed, evidence=evidence))
    status(InsuranceStatus.INSURED)

    assert refused.kind.code == "insurer.not_synchronised"
    assert charged.settle("K1", agreed=agreed, evidence=evidence)


@pytest.mark.parametrize(
    ("status", "note", "code"),
    [
        (InsuranceStatus.PAUSED, None, "insurer.not_insured"),
        (InsuranceStatus.PAUSED, InsuranceNote.ARREARS, "insurer.in_arrears"),
        (InsuranceStatus.INVALID, InsuranceNote.NOT_SYNCHRONISED, "insurer.not_synchronised"),
    ],
)
def test_an_insurance_that_is_not_in_force_names_the_way_that_stays_open(
    office: Office, status: InsuranceStatus, note: InsuranceNote | None, code: str
) -> None:
    person = office.insured()
    charged = office.charged(person.psn_no)
    office.persons.set_insurance_status(
        psn_no=person.psn_no, insutype="310", status=status, note=note
    )

    refused = refusal(charged.pre_settle)

    assert refused.kind.code == code
    assert refused.details["fallback"] == "self_paid"


# Refunds in part


def test_a_refund_in_part_is_a_cancellation_and_a_settlement_of_the_rest(
    any_office: Office,
) -> None:
    person = any_office.insured(balance=200_00)
    charged = any_office.charged(person.psn_no)
    record = charged.settle()

    refund = charged.refund(record, "1")

    assert refund.cancellation.cancels == record.setl_id
    assert refund.rest is not None
    assert refund.rest.rests_on == record.setl_id
    assert refund.rest.evidence is EvidenceKind.ORIGINAL
    amounts, before = refund.rest.settlement.amounts, record.settlement.amounts
    assert amounts.medfee_sumamt == 42_00
    assert amounts.psn_part_amt < before.psn_part_amt
    assert amounts.balc == any_office.funds.balance(person.psn_no) == 200_00 - amounts.acct_pay
    assert counters(any_office, person.psn_no) == {"otp_dedc": 30_00}
    assert refusal(charged.pre_settle).kind.code == "insurer.nothing_to_settle"
    assert any_office.funds.check_books().coherent


def test_the_kept_quantity_of_a_line_takes_its_place_under_a_new_number(
    any_office: Office,
) -> None:
    charged = any_office.charged(any_office.insured(balance=200_00).psn_no)
    record = charged.settle()
    kept = charge("1a", 25_00, WORKED_BILL[0].med_list_codg)

    refund = charged.refund(record, "1", instead=[kept])

    assert refund.rest
    assert [line.item.feedetl_sn for line in refund.rest.settlement.lines] == ["1a", "2", "3"]
    assert refund.rest.settlement.amounts.medfee_sumamt == 67_00


def test_a_refund_of_everything_leaves_nothing(any_office: Office) -> None:
    person = any_office.insured(balance=200_00)
    charged = any_office.charged(person.psn_no)
    record = charged.settle()

    refund = charged.refund(record, "1", "2", "3")

    assert refund.rest is None
    assert any_office.funds.balance(person.psn_no) == 200_00
    assert counters(any_office, person.psn_no) == {}
    assert refusal(charged.pre_settle).kind.code == "insurer.nothing_to_settle"


def test_a_repeated_refund_is_answered_from_the_books(any_office: Office) -> None:
    charged = any_office.charged(any_office.insured(balance=200_00).psn_no)
    record = charged.settle()
    first = charged.refund(record, "1", command="R1")

    assert charged.refund(record, "1", command="R1") == first
    again = refusal(lambda: charged.refund(record, "1", command="R2"))
    assert again.kind.code == "insurer.already_cancelled"
    other = refusal(lambda: charged.refund(record, "2", command="R1"))
    assert other.kind.code == "insurer.command_differs"


def test_a_rest_can_be_refunded_and_cancelled_in_its_turn(any_office: Office) -> None:
    person = any_office.insured(balance=200_00)
    charged = any_office.charged(person.psn_no)
    first = charged.refund(charged.settle(), "1").rest
    assert first
    second = charged.refund(first, "3").rest
    assert second
    assert second.settlement.amounts.medfee_sumamt == 30_00

    charged.cancel(second)

    assert any_office.funds.balance(person.psn_no) == 200_00
    assert charged.pre_settle is not None
    left = replace(charged.bill, medfee_sumamt=Fen(30_00))
    assert Charged(any_office, charged.visit, left).pre_settle().amounts.medfee_sumamt == 30_00


def test_a_line_that_was_given_back_is_never_settled_by_a_late_upload(any_office: Office) -> None:
    charged = any_office.charged(any_office.insured(balance=200_00).psn_no)
    charged.refund(charged.settle(), "1")

    any_office.upload(charged.visit, WORKED_BILL[0])

    assert refusal(charged.pre_settle).kind.code == "insurer.nothing_to_settle"


def test_wrong_refunds_change_nothing(any_office: Office) -> None:
    person = any_office.insured(balance=200_00)
    charged = any_office.charged(person.psn_no)
    record = charged.settle()
    before = any_office.funds.balance(person.psn_no)

    for give_back, instead in (
        ((), ()),
        (("9",), ()),
        (("3",), (charge("3a", 13_00, CONSULTATION),)),
        (("3",), (charge("3a", 1_00, CONSULTATION, batch="B9"),)),
    ):
        refused = refusal(lambda g=give_back, i=instead: charged.refund(record, *g, instead=i))  # type: ignore[misc]
        assert refused.kind.code == "insurer.refund_invalid"
    differing = (charge("2", 1_00, CONSULTATION),)
    refused = refusal(lambda: charged.refund(record, "3", instead=differing))
    assert refused.kind.code == "insurer.charge_differs"
    assert any_office.funds.balance(person.psn_no) == before
    assert any_office.settlements.find_settlement(institution=CLINIC, setl_id=record.setl_id)
    assert charged.refund(record, "3").rest


def test_a_refund_after_which_the_person_would_pay_more_is_not_done(any_office: Office) -> None:
    person = any_office.insured()
    deductible = any_office.charged(person.psn_no, charge("D", 500_00))
    bore = deductible.settle()
    charged = any_office.charged(person.psn_no, charge("1", 10_00), charge("2", 90_00))
    record = charged.settle()
    bears = record.settlement.amounts.psn_part_amt
    # Without the settlement that bore the deductible, the rest would bear it anew.
    deductible.cancel(bore)

    refused = refusal(lambda: charged.refund(record, "1"))

    assert refused.kind.code == "insurer.refund_dearer"
    assert refused.details["limit_fen"] == bears
    assert counters(any_office, person.psn_no)["otp_scope"] > 0
    assert any_office.funds.check_books().coherent


# Reversals


def test_a_command_that_was_done_ends_undone_and_a_late_copy_is_refused(
    any_office: Office,
) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()
    record = charged.settle("K1", agreed=agreed, evidence=evidence)

    reversal = charged.reverse("K1")

    assert reversal.outcome is ReversalOutcome.UNDONE
    assert reversal.cancellation
    assert reversal.cancellation.cancels == record.setl_id
    assert charged.reverse("K1") == reversal
    late = refusal(lambda: charged.settle("K1", agreed=agreed, evidence=evidence))
    assert late.kind.code == "insurer.command_reversed"
    assert any_office.funds.balance(person.psn_no) == 50_00
    assert any_office.funds.check_books().coherent


def test_a_command_that_never_came_is_barred(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()

    assert charged.reverse("K1").outcome is ReversalOutcome.NEVER_DONE
    assert charged.reverse("K1").outcome is ReversalOutcome.NEVER_DONE

    late = refusal(lambda: charged.settle("K1", agreed=agreed, evidence=evidence))
    assert late.kind.code == "insurer.command_reversed"
    assert any_office.proofs.redemptions() == []
    assert charged.settle("K2", agreed=agreed, evidence=evidence)


def test_a_refused_command_was_never_done(office: Office) -> None:
    charged = office.charged(office.insured().psn_no)
    wrong = replace(confirmed(charged.pre_settle()), inscp_scp_amt=Fen(1))
    refusal(lambda: charged.settle("K1", agreed=wrong))

    assert charged.reverse("K1").outcome is ReversalOutcome.NEVER_DONE


def test_what_was_cancelled_already_is_undone(office: Office) -> None:
    charged = office.charged(office.insured(balance=50_00).psn_no)
    record = charged.settle("K1")
    undone = charged.cancel(record)

    reversal = charged.reverse("K1")

    assert (reversal.outcome, reversal.cancellation) == (ReversalOutcome.UNDONE, undone)


def test_the_rest_of_a_refund_is_undone_with_it(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    charged.refund(charged.settle("K1"), "1")

    assert charged.reverse("K1").outcome is ReversalOutcome.UNDONE
    assert any_office.funds.balance(person.psn_no) == 50_00
    assert counters(any_office, person.psn_no) == {}


def test_a_cancellation_that_was_done_is_not_reversed(office: Office) -> None:
    charged = office.charged(office.insured().psn_no)
    charged.cancel(charged.settle(), "C1")

    assert refusal(lambda: charged.reverse("C1")).kind.code == "insurer.not_reversible"


def test_nobody_reverses_what_another_person_settled(office: Office) -> None:
    one, other = office.insured(1, balance=50_00), office.insured(2)
    office.charged(one.psn_no).settle("K1")

    refused = refusal(
        lambda: office.settlements.reverse(
            institution=CLINIC, command_id=CommandId("K1"), psn_no=other.psn_no
        )
    )

    assert refused.kind.code == "insurer.settlement_not_found"
