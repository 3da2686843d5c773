from datetime import timedelta
from pathlib import Path

import pytest

from insurer.family.household import (
    CHILD_PAPERS,
    CLERK,
    ELSEWHERE,
    OWN_PAPER,
    SECOND_CLERK,
    SUPERVISOR,
    Household,
    insured,
)
from shualian.core.clock import business_date
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo
from shualian.core.mode import Mode
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.insurer.family.model import (
    HOLDERS_MAX,
    PROPOSAL_KEPT,
    PROPOSAL_VALID,
    RELATIVES_MAX,
    BindingId,
    Document,
    FamilyNews,
    Kinship,
    ProposalId,
    WindowReason,
)
from shualian.insurer.family.service import FamilyBindings
from shualian.insurer.persons import store as persons_store
from shualian.insurer.persons.service import Persons
from shualian.terminals.model import Actor
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.verification.model import Relation
from shualian.verification.registry.model import RegistryVerdict
from staff.house import code_of, refused

DAY = timedelta(days=1)
REACHES_NOBODY = RefusalKind(
    "test.reaches_nobody", "不行", "No", "重来", "Again", Helper.SELF, Finality.TEMPORARY
)


def test_an_adult_is_bound_after_both_have_scanned_and_not_before(any_household: Household) -> None:
    house = any_household
    daughter, mother = house.adults[:2]

    proposal_id = house.propose(daughter, mother)
    assert house.may_act(daughter, mother) == "insurer.family_not_bound"
    house.agree(mother, proposal_id)

    assert house.may_act(daughter, mother) == ""
    assert house.may_act(mother, daughter) == "insurer.family_not_bound", "one way only"
    (member,) = house.family.members(daughter.psn_no, house.now())
    assert (member.psn_no, member.masked_name, member.kinship.zh) == (
        mother.psn_no,
        mother.masked_name,
        "母亲",
    )
    (seen,) = house.family.view(mother.psn_no).holders
    assert (seen.psn_no, seen.binding_id) == (daughter.psn_no, member.binding_id)


def test_everybody_acts_for_themselves_and_nobody_else_under_their_own_name(
    household: Household,
) -> None:
    one, other = household.adults[:2]
    at = household.now()
    check = household.family.check

    check(subject=one.psn_no, beneficiary=one.psn_no, relation=Relation.SELF, at=at)
    for beneficiary, relation, code in (
        (other, Relation.SELF, "insurer.family_not_bound"),
        (one, Relation.FAMILY, "insurer.family_not_bound"),
        (other, Relation.FAMILY, "insurer.family_not_bound"),
        (other, Relation.PROXY, "insurer.proxy_not_offered"),
        (one, Relation.PROXY, "insurer.proxy_not_offered"),
    ):
        with refused(code):
            check(subject=one.psn_no, beneficiary=beneficiary.psn_no, relation=relation, at=at)


def test_only_the_relative_can_agree(household: Household) -> None:
    holder, relative, stranger = household.adults[:3]
    proposal_id = household.propose(holder, relative)

    for other in (holder, stranger):
        with refused("insurer.family_proposal_not_found"):
            household.agree(other, proposal_id)

    assert household.may_act(holder, relative) == "insurer.family_not_bound"


def test_a_proposal_waits_a_set_time(household: Household) -> None:
    holder, relative = household.adults[:2]
    proposal_id = household.propose(holder, relative)
    assert len(household.family.view(relative.psn_no).offers) == 1

    household.wait(PROPOSAL_VALID)

    assert household.family.view(relative.psn_no).offers == []
    with refused("insurer.family_proposal_over"):
        household.agree(relative, proposal_id)
    household.bound(holder, relative)


@pytest.mark.parametrize("who", [0, 1])
def test_either_side_drops_a_proposal(household: Household, who: int) -> None:
    holder, relative = household.adults[:2]
    proposal_id = household.propose(holder, relative)
    with refused("insurer.family_proposal_not_found"):
        household.family.drop(household.confirmed(household.adults[2]), proposal_id=proposal_id)

    for _ in range(2):
        household.family.drop(household.confirmed(household.adults[who]), proposal_id=proposal_id)

    with refused("insurer.family_proposal_over"):
        household.agree(relative, proposal_id)


def test_the_same_proposal_and_the_same_agreement_have_the_same_answer(
    household: Household,
) -> None:
    holder, relative = household.adults[:2]
    proof = household.confirmed(holder)

    def propose(kinship: Kinship) -> ProposalId:
        made = household.family.propose(
            proof,
            proposal_id=ProposalId("01JZZZZZZZZZZZZZZZZZZZZZZZ"),
            relative=relative.id_number,
            kinship=kinship,
        )
        return made.proposal_id

    assert propose(Kinship.MOTHER) == propose(Kinship.MOTHER)
    with refused("insurer.family_proposal_differs"):
        propose(Kinship.FATHER)
    with refused("insurer.family_already_proposed"):
        household.propose(holder, relative)
    made = household.agree(relative, propose(Kinship.MOTHER))
    assert household.agree(relative, propose(Kinship.MOTHER)).binding_id == made.binding_id
    with refused("insurer.family_already_bound"):
        household.propose(holder, relative)
    assert [event["change"] for event in household.events()] == ["proposed", "bound"]


@pytest.mark.parametrize(
    ("active", "registry"),
    [
        (False, RegistryVerdict.MATCH),
        (True, RegistryVerdict.UNAVAILABLE),
        (True, RegistryVerdict.NO_MATCH),
        (True, None),
    ],
)
def test_a_weak_proof_opens_no_voucher_to_another_and_still_closes_it(
    household: Household, active: bool, registry: RegistryVerdict | None
) -> None:
    holder, relative = household.adults[:2]
    weak = household.confirmed(relative, active=active, registry=registry)
    proposal_id = household.propose(holder, relative)

    with refused("insurer.family_proof_weak"):
        household.family.agree(weak, proposal_id=proposal_id)
    with refused("insurer.family_proof_weak"):
        household.family.propose(
            weak,
            proposal_id=ProposalId("X1"),
            relative=holder.id_number,
            kinship=Kinship.CHILD,
        )
    made = household.agree(relative, proposal_id)
    household.family.unbind(weak, binding_id=made.binding_id)
    assert household.may_act(holder, relative) == "insurer.family_not_bound"


def test_a_holder_has_five_relatives_at_most_with_those_who_are_asked(
    household: Household,
) -> None:
    holder, *relatives = household.adults
    for relative in relatives[:3]:
        household.bound(holder, relative)
    for relative in relatives[3:RELATIVES_MAX]:
        household.propose(holder, relative)

    with refused("insurer.family_relatives_full"):
        household.propose(holder, relatives[RELATIVES_MAX])
    household.bind_child(holder, household.children[0])
    household.bind_child(holder, household.children[1])
    with refused("insurer.family_relatives_full"):
        household.bind_child(holder, household.children[2])


def test_a_relative_has_two_holders_at_most(household: Household) -> None:
    relative, *holders = household.adults
    waiting = [household.propose(holder, relative) for holder in holders[: HOLDERS_MAX + 1]]
    for proposal_id in waiting[:HOLDERS_MAX]:
        household.agree(relative, proposal_id)

    with refused("insurer.family_holders_full"):
        household.agree(relative, waiting[HOLDERS_MAX])
    with refused("insurer.family_holders_full"):
        household.enter(holders[5], relative)

    first = household.family.view(relative.psn_no).holders[0]
    household.family.unbind(household.confirmed(relative), binding_id=first.binding_id)
    household.agree(relative, waiting[HOLDERS_MAX])


@pytest.mark.parametrize("who", [0, 1])
def test_either_side_undoes_a_binding_at_once_and_the_other_is_told(
    any_household: Household, who: int
) -> None:
    house = any_household
    sides = house.adults[:2]
    made = house.bound(sides[0], sides[1])
    house.family.tell_waiting(Told())

    for _ in range(2):
        house.family.unbind(house.confirmed(sides[who]), binding_id=made.binding_id)

    assert house.may_act(sides[0], sides[1]) == "insurer.family_not_bound"
    assert house.family.members(sides[0].psn_no, house.now()) == []
    assert house.told() == [(sides[1 - who].psn_no, "family_unbound")]
    assert [each["change"] for each in house.events()] == ["proposed", "bound", "unbound"]


def test_nobody_undoes_the_binding_of_others(household: Household) -> None:
    holder, relative, stranger = household.adults[:3]
    made = household.bound(holder, relative)

    with refused("insurer.family_binding_not_found"):
        household.family.unbind(household.confirmed(stranger), binding_id=made.binding_id)
    with refused("insurer.family_binding_not_found"):
        household.family.unbind(household.confirmed(holder), binding_id=BindingId("none"))
    with refused("insurer.family_binding_not_found"):
        household.window.unbind(
            actor=CLERK, binding_id=made.binding_id, asked_by=stranger.id_number
        )

    assert household.may_act(holder, relative) == ""


def test_a_child_is_bound_by_a_guardian_and_the_other_guardian_is_told(
    any_household: Household,
) -> None:
    house = any_household
    mother, father, grandmother = house.adults[:3]
    child = house.children[0]

    house.bind_child(mother, child, other=father)
    assert house.may_act(mother, child) == ""
    assert house.may_act(father, child) == "insurer.family_not_bound"
    house.bind_child(father, child)

    told = [(father.psn_no, "family_child_bound"), (mother.psn_no, "family_child_bound")]
    assert house.told() == told
    with refused("insurer.family_holders_full"):
        house.bind_child(grandmother, child)
    event = house.events()[0]
    assert (event["actor"], event["ground"]) == (CLERK.staff, "guardian")


def test_a_guardian_who_names_themselves_as_the_other_is_not_told(household: Household) -> None:
    mother, child = household.adults[0], household.children[0]

    household.bind_child(mother, child, other=mother)

    assert household.told() == []


def test_a_guardian_who_is_not_insured_here_cannot_be_told_and_stops_nothing(
    household: Household,
) -> None:
    elsewhere = insured(999, household.adults[0].id_number.birth_date)

    household.bind_child(household.adults[0], household.children[0], other=elsewhere)

    assert household.told() == []


def test_a_binding_of_a_child_ends_on_the_sixteenth_birthday_and_wants_their_own_agreement(
    household: Household,
) -> None:
    mother, child = household.adults[0], household.children[0]
    household.bind_child(mother, child)
    with refused("insurer.family_child_at_window"):
        household.propose(mother, child, Kinship.CHILD)
    # Born on 1 March 2015; in China that birthday ends at 16:00 UTC.
    household.clock.set(household.now().replace(year=2031, month=3, day=1, hour=15, minute=59))
    assert household.may_act(mother, child) == ""

    household.wait(timedelta(minutes=1))

    assert household.may_act(mother, child) == "insurer.family_not_bound"
    assert household.family.members(mother.psn_no, household.now()) == []
    with refused("insurer.family_not_a_child"):
        household.bind_child(mother, child)
    household.bound(mother, child, Kinship.CHILD)
    assert household.may_act(mother, child) == ""


def test_grown_children_leave_their_places(household: Household) -> None:
    mother = household.adults[0]
    for child in household.children[:RELATIVES_MAX]:
        household.bind_child(mother, child)
    with refused("insurer.family_relatives_full"):
        household.propose(mother, household.adults[1])

    household.clock.set(household.now().replace(year=2031, month=3, day=3))

    # On 3 March 2031 the children of 1 and 2 March are sixteen.
    household.bound(mother, household.adults[1])
    household.bound(mother, household.adults[2])
    with refused("insurer.family_relatives_full"):
        household.propose(mother, household.adults[3])


def test_an_adult_who_cannot_scan_is_bound_by_two_members_of_staff(
    any_household: Household,
) -> None:
    house = any_household
    son, father = house.adults[:2]

    proposal_id = house.enter(son, father)
    assert house.may_act(son, father) == "insurer.family_not_bound"
    with refused("insurer.family_second_person"):
        house.window.approve(actor=CLERK, proposal_id=proposal_id)
    with refused("insurer.family_proposal_not_found"):
        house.window.approve(actor=ELSEWHERE, proposal_id=proposal_id)
    (waiting,) = house.window.waiting(actor=SECOND_CLERK)
    assert (waiting.holder, waiting.relative) == (son.masked_name, father.masked_name)
    assert house.window.waiting(actor=ELSEWHERE) == []
    house.window.approve(actor=SECOND_CLERK, proposal_id=proposal_id)

    assert house.may_act(son, father) == ""
    assert house.told() == [(father.psn_no, "family_bound_on_documents")]
    entered, bound = house.events()
    assert (entered["actor"], bound["actor"]) == (CLERK.staff, SECOND_CLERK.staff)
    assert (bound["reason"], bound["session"]) == ("dementia", None)


def test_a_window_binding_is_confirmed_once(household: Household) -> None:
    proposal_id = household.enter(household.adults[0], household.adults[1])
    household.window.approve(actor=SECOND_CLERK, proposal_id=proposal_id)

    with refused("insurer.family_proposal_over"):
        household.window.approve(actor=SUPERVISOR, proposal_id=proposal_id)
    assert household.window.waiting(actor=SUPERVISOR) == []


def test_the_relative_cannot_agree_to_what_waits_for_staff_and_staff_not_for_the_relative(
    household: Household,
) -> None:
    one, two, three = household.adults[:3]
    at_window, by_scan = household.enter(one, two), household.propose(one, three)

    with refused("insurer.family_proposal_not_found"):
        household.agree(two, at_window)
    with refused("insurer.family_proposal_not_found"):
        household.window.approve(actor=SUPERVISOR, proposal_id=by_scan)


def test_whoever_does_not_want_to_use_the_face_agrees_at_a_window_for_good(
    household: Household,
) -> None:
    one, two = household.adults[:2]
    proposal_id = household.enter(one, two, reason=WindowReason.IN_PERSON, documents=OWN_PAPER)
    made = household.window.approve(actor=SECOND_CLERK, proposal_id=proposal_id)

    assert made.review_due_on is None
    with refused("insurer.family_no_review"):
        household.window.review(actor=CLERK, binding_id=made.binding_id, documents=OWN_PAPER)


def test_missing_documents_bind_nobody(household: Household) -> None:
    one, two = household.adults[:2]

    with refused("insurer.family_documents_missing"):
        household.enter(one, two, documents=frozenset((Document.ID_DOCUMENT,)))

    assert household.window.waiting(actor=CLERK) == []


def test_a_review_that_is_not_made_suspends_and_a_late_one_takes_up_again(
    any_household: Household,
) -> None:
    house = any_household
    son, father = house.adults[:2]
    made = house.on_documents(son, father)
    assert made.review_due_on is not None
    assert due(house, CLERK, days=364) == []
    assert due(house, CLERK, days=365) == [(made.binding_id, False)]
    assert due(house, ELSEWHERE, days=365) == []

    house.wait(365 * DAY)
    assert house.may_act(son, father) == ""
    house.wait(DAY)
    assert house.may_act(son, father) == "insurer.family_not_bound"
    assert due(house, SUPERVISOR, days=0) == [(made.binding_id, True)]
    assert [each.in_force for each in house.family.view(son.psn_no).relatives] == [False]
    assert house.family.members(son.psn_no, house.now()) == []

    with refused("insurer.family_documents_missing"):
        house.window.review(actor=CLERK, binding_id=made.binding_id, documents=OWN_PAPER)
    with refused("insurer.family_binding_not_found"):
        house.window.review(
            actor=ELSEWHERE, binding_id=made.binding_id, documents=made.terms.documents
        )
    house.window.review(actor=CLERK, binding_id=made.binding_id, documents=made.terms.documents)

    assert house.may_act(son, father) == ""
    assert due(house, SUPERVISOR, days=0) == []


def test_a_suspended_binding_keeps_its_place(household: Household) -> None:
    relative = household.adults[0]
    household.on_documents(household.adults[1], relative)
    household.on_documents(household.adults[2], relative)
    household.wait(400 * DAY)

    with refused("insurer.family_holders_full"):
        household.enter(household.adults[3], relative)


def test_an_undone_binding_is_not_reviewed(household: Household) -> None:
    son, father = household.adults[:2]
    made = household.on_documents(son, father)

    household.window.unbind(actor=ELSEWHERE, binding_id=made.binding_id, asked_by=father.id_number)

    assert household.may_act(son, father) == "insurer.family_not_bound"
    assert due(household, SUPERVISOR, days=366) == []
    with refused("insurer.family_binding_not_found"):
        household.window.review(
            actor=CLERK, binding_id=made.binding_id, documents=made.terms.documents
        )


def test_a_guardian_undoes_the_binding_of_the_child_at_any_window(household: Household) -> None:
    mother, father = household.adults[:2]
    child = household.children[0]
    made = household.bind_child(mother, child)
    household.bind_child(father, child)

    household.window.unbind(actor=ELSEWHERE, binding_id=made.binding_id, asked_by=father.id_number)

    assert household.may_act(mother, child) == "insurer.family_not_bound"
    assert household.may_act(father, child) == ""


def test_the_window_shows_a_persons_bindings_and_writes_the_look_down(
    household: Household,
) -> None:
    holder, relative = household.adults[:2]
    household.bound(holder, relative)

    view = household.window.view(actor=CLERK, person=holder.id_number)

    assert [each.psn_no for each in view.relatives] == [relative.psn_no]
    last = household.events()[-1]
    assert (last["change"], last["actor"], last["holder"]) == (
        "shown",
        CLERK.staff,
        holder.psn_no,
    )


def test_an_unknown_number_is_refused_at_terminal_and_window(household: Household) -> None:
    stranger = insured(999, household.adults[0].id_number.birth_date)

    for work in (
        lambda: household.propose(household.adults[0], stranger),
        lambda: household.enter(household.adults[0], stranger),
        lambda: household.window.view(actor=CLERK, person=stranger.id_number),
        lambda: household.window.bind_child(
            actor=CLERK,
            guardian=stranger.id_number,
            child=household.children[0].id_number,
            kinship=Kinship.CHILD,
            documents=CHILD_PAPERS,
        ),
    ):
        assert code_of(work) == "insurer.person_not_found"


def test_the_register_of_insured_persons_answers_who_people_are(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    house = Household(sqlite_database)
    sqlite_database.create_tables(persons_store.metadata)
    sealer = Sealer(DevelopmentKeys(tmp_path / "keys"))
    register = Persons(database=sqlite_database, sealer=sealer, mode=Mode.SANDBOX)
    daughter, mother = (
        register.register_insured(
            id_number=each.id_number, name=each.name, insurances=each.insurances
        )
        for each in house.adults[:2]
    )
    house.family = FamilyBindings(database=sqlite_database, clock=house.clock, people=register)

    house.bound(daughter, mother)

    (member,) = house.family.members(daughter.psn_no, house.now())
    assert member.masked_name == mother.masked_name


def test_what_waits_is_told_once_and_again_when_telling_failed(household: Household) -> None:
    one, two, three = household.adults[:3]
    household.propose(one, two)
    household.propose(one, three)
    told = Told(fail_after=1)

    with pytest.raises(Refused):
        household.family.tell_waiting(told)
    assert told.said == [(two.psn_no, FamilyNews.PROPOSED)]
    told.fail_after = None
    assert household.family.tell_waiting(told) == 1

    assert told.said == [(two.psn_no, FamilyNews.PROPOSED), (three.psn_no, FamilyNews.PROPOSED)]
    assert household.family.tell_waiting(told) == 0


def test_proposals_that_are_over_are_forgotten(household: Household) -> None:
    proposal_id = household.propose(household.adults[0], household.adults[1])
    household.wait(PROPOSAL_VALID + PROPOSAL_KEPT)
    assert household.family.forget_proposals() == 0

    household.wait(timedelta(seconds=1))

    assert household.family.forget_proposals() == 1
    with refused("insurer.family_proposal_not_found"):
        household.agree(household.adults[1], proposal_id)


def due(house: Household, actor: Actor, *, days: int) -> list[tuple[BindingId, bool]]:
    until = business_date(house.now()) + timedelta(days=days)
    found = house.window.due_reviews(actor=actor, until=until)
    return [(each.binding.binding_id, each.suspended) for each in found]


class Told:
    """Remembers what was told, and may fail."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.said: list[tuple[PersonNo, FamilyNews]] = []
        self.fail_after = fail_after

    def tell(self, psn_no: PersonNo, what: FamilyNews) -> None:
        if self.fail_after is not None and len(self.said) >= self.fail_after:
            raise Refused(REACHES_NOBODY)
        self.said.append((psn_no, what))
