"""The kinds of evidence: the same rights, and limits without a PIN for those that need none."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from insurer.office import CLINIC, HOSPITAL, Charged, Office, charge, id_number
from shualian.core.identifiers import IntentId, PersonNo, SessionId, StaffId, new_identifier
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.settlement import store
from shualian.insurer.settlement.evidence.model import (
    HIGHEST,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    EvidenceKind,
    Limits,
    SecondFactor,
)
from shualian.verification.model import ConfirmedPerson, Factor
from shualian.verification.registry.model import RegistryVerdict

PIN, CARD, CLERK = "385027", "A12345678", StaffId("S1")


def refusal(do: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value


def new_intent() -> IntentId:
    return IntentId(new_identifier())


def equip(office: Office, psn_no: PersonNo, card: str = CARD) -> None:
    """Give a person a voucher, a PIN and a card."""
    now = office.clock.now()
    session = SessionId(new_identifier())
    office.vouchers.activate_at_terminal(psn_no, region="990000", session_id=session, at=now)
    factors = frozenset({Factor.FACE, Factor.DOCUMENT})
    person = ConfirmedPerson(psn_no, session, factors, True, RegistryVerdict.MATCH, now)
    office.pins.set(person, PIN)
    office.cards.issue(psn_no, card)


def by_code(office: Office, charged: Charged) -> CodeEvidence:
    return CodeEvidence(office.vouchers.show_code(charged.bill.psn_no).token, new_intent())


def by_card(_: Office, __: Charged) -> CardEvidence:
    return CardEvidence(CARD, PIN, new_intent())


def by_document(_: Office, __: Charged) -> DocumentEvidence:
    return DocumentEvidence(id_number(1), CLERK, new_intent())


def by_face(_: Office, charged: Charged) -> Evidence:
    return charged.proof()


WAYS = {
    EvidenceKind.FACE: by_face,
    EvidenceKind.CODE: by_code,
    EvidenceKind.CARD: by_card,
    EvidenceKind.DOCUMENT: by_document,
}


def test_the_same_visit_has_the_same_breakdown_by_every_evidence(any_office: Office) -> None:
    person = any_office.insured(balance=300_00)
    equip(any_office, person.psn_no)
    settled = {}
    for kind, way in WAYS.items():
        charged = any_office.charged(person.psn_no)
        record = charged.settle(evidence=way(any_office, charged))
        settled[kind] = record.settlement
        assert record.evidence is kind
        charged.cancel(record)

    assert all(each == settled[EvidenceKind.FACE] for each in settled.values())
    assert any_office.funds.check_books().coherent


@pytest.mark.parametrize(
    ("kind", "second", "seen_by"),
    [
        (EvidenceKind.FACE, SecondFactor.NONE, ""),
        (EvidenceKind.CODE, SecondFactor.NONE, ""),
        (EvidenceKind.CARD, SecondFactor.PIN, ""),
        (EvidenceKind.DOCUMENT, SecondFactor.CLERK, CLERK),
    ],
)
def test_what_a_settlement_rests_on_is_kept_with_it(
    any_office: Office, kind: EvidenceKind, second: SecondFactor, seen_by: str
) -> None:
    person = any_office.insured(balance=300_00)
    equip(any_office, person.psn_no)
    charged = any_office.charged(person.psn_no)

    record = charged.settle(evidence=WAYS[kind](any_office, charged))

    proven, unpinned = any_office.database.read(lambda c: store.evidence_of(c, record.setl_id))
    assert (proven.kind, proven.second, proven.seen_by) == (kind, second, seen_by)
    assert proven.subject == person.psn_no
    bears = record.settlement.amounts.psn_part_amt
    assert unpinned == (bears if second is SecondFactor.NONE else 0)


@pytest.mark.parametrize("kind", list(WAYS))
def test_evidence_pays_one_bill_and_repeats_are_answered(
    any_office: Office, kind: EvidenceKind
) -> None:
    person = any_office.insured(balance=300_00)
    equip(any_office, person.psn_no)
    one, other = any_office.charged(person.psn_no), any_office.charged(person.psn_no)
    evidence = WAYS[kind](any_office, one)

    agreed = None
    record = one.settle("K1", evidence=evidence, agreed=agreed)
    any_office.clock.set(any_office.clock.now() + timedelta(minutes=10))

    assert refusal(lambda: other.settle(evidence=evidence)).kind.code == "insurer.intent_used"
    found = any_office.settlements.find_settlement(institution=CLINIC, setl_id=record.setl_id)
    assert found == record


def test_a_code_is_not_used_up_by_a_bill_that_is_refused(any_office: Office) -> None:
    person = any_office.insured(balance=300_00)
    equip(any_office, person.psn_no)
    charged = any_office.charged(person.psn_no)
    evidence = by_code(any_office, charged)
    wrong = replace(charged.bill, medfee_sumamt=Fen(1))

    assert (
        refusal(lambda: charged.settle(evidence=evidence, of=wrong)).kind.code
        == "insurer.amounts_differ"
    )
    assert charged.settle(evidence=evidence).evidence is EvidenceKind.CODE


def test_what_belongs_to_another_settles_nothing(any_office: Office) -> None:
    person, other = any_office.insured(1, balance=300_00), any_office.insured(2)
    equip(any_office, other.psn_no, "B1")
    equip(any_office, person.psn_no)
    charged = any_office.charged(person.psn_no)

    for evidence in (
        CodeEvidence(any_office.vouchers.show_code(other.psn_no).token, new_intent()),
        CardEvidence("B1", PIN, new_intent()),
        CardEvidence("unknown", PIN, new_intent()),
        DocumentEvidence(id_number(2), CLERK, new_intent()),
    ):
        refused = refusal(lambda e=evidence: charged.settle(evidence=e))  # type: ignore[misc]
        assert refused.kind.code == "insurer.evidence_of_another"
    assert any_office.funds.balance(person.psn_no) == 300_00


def test_a_document_that_nobody_answers_for_is_not_taken(office: Office) -> None:
    charged = office.charged(office.insured().psn_no)

    refused = refusal(
        lambda: charged.settle(evidence=DocumentEvidence(id_number(1), StaffId(""), new_intent()))
    )

    assert refused.kind.code == "insurer.evidence_not_taken"


def test_a_blocked_card_and_a_wrong_pin_settle_nothing(office: Office) -> None:
    person = office.insured(balance=300_00)
    equip(office, person.psn_no)
    charged = office.charged(person.psn_no)

    wrong = CardEvidence(CARD, "385028", new_intent())
    assert refusal(lambda: charged.settle(evidence=wrong)).kind.code == "insurer.pin_wrong"
    assert office.cards.block(person.psn_no) == 1
    lost = CardEvidence(CARD, PIN, new_intent())
    assert refusal(lambda: charged.settle(evidence=lost)).kind.code == "insurer.evidence_of_another"


def test_no_secret_of_evidence_is_printed() -> None:
    for evidence in (
        CodeEvidence("a-token", new_intent()),
        CardEvidence(CARD, PIN, new_intent()),
        DocumentEvidence(id_number(1), CLERK, new_intent()),
    ):
        shown = repr(evidence)
        assert not any(s in shown for s in ("a-token", CARD, PIN, id_number(1).value))


# Limits without a PIN


def dear(office: Office, psn_no: PersonNo, amount: int) -> Charged:
    return office.charged(psn_no, charge("1", amount), institution=HOSPITAL)


@pytest.mark.parametrize(
    ("shown", "carried"),
    [
        ({}, False),
        ({"pin": True}, True),
        ({"pin": True, "active": False}, False),
        ({"pin": True, "registry": None}, False),
    ],
)
def test_above_the_limit_a_face_needs_the_stronger_level_and_a_pin(
    any_office: Office, shown: dict[str, object], *, carried: bool
) -> None:
    person = any_office.insured()
    charged = dear(any_office, person.psn_no, 30_000_00)
    assert charged.pre_settle().amounts.psn_part_amt > HIGHEST.transaction_fen
    evidence = charged.proof(**shown)

    if carried:
        assert charged.settle(evidence=evidence).evidence is EvidenceKind.FACE
        return
    refused = refusal(lambda: charged.settle(evidence=evidence))
    assert refused.kind.code == "insurer.limit_without_pin"
    assert refused.details["period"] == "transaction"
    assert any_office.proofs.redemptions() == []


def test_above_the_limit_a_clerk_stands_in_for_the_pin(office: Office) -> None:
    charged = dear(office, office.insured().psn_no, 30_000_00)

    assert charged.settle(evidence=replace(charged.proof(), attended_by=CLERK))


def test_the_day_is_limited_too_and_a_cancellation_gives_it_back(any_office: Office) -> None:
    psn_no = any_office.insured().psn_no
    own = Limits(Fen(400_00), Fen(500_00))
    any_office.personal_limits.set(psn_no, own)
    first = any_office.charged(psn_no, charge("1", 300_00))
    record = first.settle()
    second = any_office.charged(psn_no, charge("1", 300_00))

    refused = refusal(second.settle)
    assert refused.kind.code == "insurer.limit_without_pin"
    assert refused.details == {"period": "day", "found_fen": 520_00, "limit_fen": 500_00}
    first.cancel(record)
    assert second.settle()


def test_a_new_business_day_begins_a_new_sum(office: Office) -> None:
    psn_no = office.insured().psn_no
    office.personal_limits.set(psn_no, Limits(Fen(400_00), Fen(400_00)))
    office.charged(psn_no, charge("1", 300_00)).settle()

    office.clock.set(datetime(2026, 5, 4, 16, 1, tzinfo=UTC))

    assert office.charged(psn_no, charge("1", 300_00)).settle()


def test_limits_of_a_person_can_only_be_tightened(office: Office) -> None:
    psn_no = office.insured().psn_no

    for wrong in (
        Limits(Fen(HIGHEST.transaction_fen + 1), Fen(0)),
        Limits(Fen(0), Fen(HIGHEST.day_fen + 1)),
        Limits(Fen(-1), Fen(0)),
    ):
        refused = refusal(lambda w=wrong: office.personal_limits.set(psn_no, w))  # type: ignore[misc]
        assert refused.kind.code == "insurer.limit_loosened"
    office.personal_limits.set(psn_no, Limits(Fen(1_00), HIGHEST.day_fen))
    assert office.personal_limits.of(psn_no) == Limits(Fen(1_00), HIGHEST.day_fen)
    office.personal_limits.set(psn_no, None)
    assert office.personal_limits.of(psn_no) == HIGHEST


def test_above_the_limit_a_shown_code_is_not_enough(office: Office) -> None:
    person = office.insured()
    equip(office, person.psn_no)
    charged = dear(office, person.psn_no, 30_000_00)

    refused = refusal(lambda: charged.settle(evidence=by_code(office, charged)))

    assert refused.kind.code == "insurer.limit_without_pin"
