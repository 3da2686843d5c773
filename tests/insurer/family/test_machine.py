"""Bindings under any order of asking, agreeing, confirming, waiting, reviewing and undoing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from insurer.family.household import (
    ADULT_PAPERS,
    CLERK,
    SECOND_CLERK,
    Household,
    Register,
    insured,
)
from shualian.core.clock import business_date
from shualian.core.database import SqliteDatabase
from shualian.core.refusals import Refused
from shualian.insurer.family.model import (
    HOLDERS_MAX,
    PROPOSAL_VALID,
    RELATIVES_MAX,
    Binding,
    BindingId,
    ProposalId,
)
from shualian.insurer.family.service import FamilyBindings, FamilyWindow
from shualian.insurer.persons.model import Insured

ADULTS = [insured(n, date(1950 + n, 5, 20)) for n in range(1, 6)]
# Two of the children come of age in the course of a run.
CHILDREN = [insured(100 + n, date(2009 + n, 6, 10)) for n in range(1, 7)]
PEOPLE = [*ADULTS, *CHILDREN]
T = TypeVar("T")
people = st.sampled_from(PEOPLE)
clerks = st.sampled_from((CLERK, SECOND_CLERK))


@dataclass
class Pair:
    """What the test knows of a binding."""

    holder: Insured
    relative: Insured
    spoken_for: str
    grown_on: date | None
    due_on: date | None
    ended: bool = False


@dataclass
class Asked:
    """What the test knows of a proposal."""

    holder: Insured
    relative: Insured
    entered_by: str | None
    over_at: float
    done: BindingId | None = None
    dropped: bool = False


class FamilyMachine(RuleBasedStateMachine):
    proposals = Bundle("proposals")
    bindings = Bundle("bindings")

    @initialize()
    def open_house(self) -> None:
        self.folder = TemporaryDirectory()
        database = SqliteDatabase(f"sqlite:///{Path(self.folder.name)}/family.db")
        self.house = Household(database, adults=0, children=0)
        register = Register(PEOPLE)
        clock = self.house.clock
        self.house.family = FamilyBindings(database=database, clock=clock, people=register)
        self.house.window = FamilyWindow(database=database, clock=clock, people=register)
        self.asked: dict[ProposalId, Asked] = {}
        self.pairs: dict[BindingId, Pair] = {}

    @rule(target=proposals, holder=people, relative=people, by=st.none() | clerks)
    def ask(self, holder: Insured, relative: Insured, by: object) -> ProposalId:
        house = self.house

        def work() -> ProposalId:
            if by is None:
                return house.propose(holder, relative)
            return house.enter(holder, relative, actor=CLERK if by == CLERK else SECOND_CLERK)

        made = answered(work)
        room = self._room(holder, relative, of_relative=by is not None)
        open_ones = [each for each in self.asked.values() if self._waits(each)]
        of_holder = [each for each in open_ones if each.holder == holder]
        asked_before = any(each.relative == relative for each in of_holder)
        few = len(of_holder) + len(self._relatives(holder)) < RELATIVES_MAX
        grown = self._grown(holder) and self._grown(relative)
        assert (made is not None) == (room and grown and few and not asked_before)
        if made is None:
            return ProposalId("none")
        staff = None if by is None else (CLERK if by == CLERK else SECOND_CLERK).staff
        over_at = (house.now() + PROPOSAL_VALID).timestamp()
        self.asked[made] = Asked(holder, relative, staff, over_at)
        return made

    @rule(target=bindings, who=people, proposal_id=proposals)
    def agree(self, who: Insured, proposal_id: ProposalId) -> BindingId:
        made = answered(lambda: self.house.agree(who, proposal_id))
        asked = self.asked.get(proposal_id)
        allowed = asked is not None and asked.relative == who and asked.entered_by is None
        return self._bound(made, asked, allowed=allowed, spoken_for=who.psn_no)

    @rule(target=bindings, actor=clerks, proposal_id=proposals)
    def confirm(self, actor: object, proposal_id: ProposalId) -> BindingId:
        second = CLERK if actor == CLERK else SECOND_CLERK
        made = answered(lambda: self.house.window.approve(actor=second, proposal_id=proposal_id))
        asked = self.asked.get(proposal_id)
        allowed = asked is not None and asked.entered_by not in {None, second.staff}
        allowed = allowed and asked is not None and asked.done is None
        return self._bound(made, asked, allowed=allowed, spoken_for="two members of staff")

    @rule(target=bindings, guardian=people, child=people)
    def bind_child(self, guardian: Insured, child: Insured) -> BindingId:
        room = self._room(guardian, child)
        adult = self._age(guardian) >= 18
        made = answered(lambda: self.house.bind_child(guardian, child))
        assert (made is not None) == (room and adult and not self._grown(child))
        if made is None:
            return BindingId("none")
        return self._remember(made, guardian, child, "a guardian")

    @rule(who=people, proposal_id=proposals)
    def drop(self, who: Insured, proposal_id: ProposalId) -> None:
        person = self.house.confirmed(who)
        answered(lambda: self.house.family.drop(person, proposal_id=proposal_id))
        asked = self.asked.get(proposal_id)
        if asked is not None and who in {asked.holder, asked.relative} and self._waits(asked):
            asked.dropped = True

    @rule(who=people, binding_id=bindings)
    def unbind(self, who: Insured, binding_id: BindingId) -> None:
        person = self.house.confirmed(who)
        answered(lambda: self.house.family.unbind(person, binding_id=binding_id))
        pair = self.pairs.get(binding_id)
        if pair is not None and who in {pair.holder, pair.relative}:
            pair.ended = True

    @rule(binding_id=bindings)
    def review(self, binding_id: BindingId) -> None:
        kept = answered(
            lambda: self.house.window.review(
                actor=CLERK, binding_id=binding_id, documents=ADULT_PAPERS
            )
        )
        pair = self.pairs.get(binding_id)
        reviewed = pair is not None and not pair.ended and pair.due_on is not None
        assert (kept is not None) == reviewed
        if pair is not None and reviewed:
            pair.due_on = self._today().replace(year=self._today().year + 1)

    @rule(days=st.sampled_from((1, 3, 8, 100, 365)))
    def wait(self, days: int) -> None:
        # 29 February would need the rule of birthdays in the test as well.
        self.house.wait(timedelta(days=days))
        if (self._today().month, self._today().day) == (2, 29):
            self.house.wait(timedelta(days=1))

    @rule(holder=people, relative=people)
    def act(self, holder: Insured, relative: Insured) -> None:
        may = (holder.psn_no, relative.psn_no) in self._acting()
        assert (self.house.may_act(holder, relative) == "") == may

    @invariant()
    def limits_hold_and_both_sides_see_the_same(self) -> None:
        family = self.house.family
        views = {each.psn_no: family.view(each.psn_no) for each in PEOPLE}
        down = {(h, m.psn_no, m.binding_id) for h, view in views.items() for m in view.relatives}
        up = {(m.psn_no, r, m.binding_id) for r, view in views.items() for m in view.holders}
        active = {(h, m.psn_no) for h, view in views.items() for m in view.relatives if m.in_force}

        assert down == up
        standing = {key for key, pair in self.pairs.items() if self._stands(pair)}
        assert {binding_id for _, _, binding_id in down} == standing
        assert active == self._acting()
        assert all(len(view.relatives) <= RELATIVES_MAX for view in views.values())
        assert all(len(view.holders) <= HOLDERS_MAX for view in views.values())

    @invariant()
    def exactly_the_bindings_in_force_let_somebody_act(self) -> None:
        for pair in self.pairs.values():
            may = (pair.holder.psn_no, pair.relative.psn_no) in self._acting()
            members = self.house.family.members(pair.holder.psn_no, self.house.now())
            assert (pair.relative.psn_no in {each.psn_no for each in members}) == may
            assert (self.house.may_act(pair.holder, pair.relative) == "") == may

    @invariant()
    def every_adult_agreed_or_two_members_of_staff_spoke_for_them(self) -> None:
        for pair in self.pairs.values():
            assert pair.spoken_for in {
                "a guardian" if pair.grown_on is not None else pair.relative.psn_no,
                "two members of staff",
            }

    def teardown(self) -> None:
        self.house.database.close()
        self.folder.cleanup()

    def _acting(self) -> set[tuple[str, str]]:
        return {
            (pair.holder.psn_no, pair.relative.psn_no)
            for pair in self.pairs.values()
            if self._stands(pair) and (pair.due_on is None or self._today() <= pair.due_on)
        }

    def _bound(
        self, made: Binding | None, asked: Asked | None, *, allowed: bool, spoken_for: str
    ) -> BindingId:
        if asked is None or not allowed:
            assert made is None
            return BindingId("none")
        if asked.done is not None:
            assert made is not None
            assert made.binding_id == asked.done
            return asked.done
        expected = self._waits(asked) and self._room(asked.holder, asked.relative)
        assert (made is not None) == expected
        if made is None:
            return BindingId("none")
        asked.done = made.binding_id
        return self._remember(made, asked.holder, asked.relative, spoken_for)

    def _remember(
        self, made: Binding, holder: Insured, relative: Insured, spoken_for: str
    ) -> BindingId:
        born, today = relative.id_number.birth_date, self._today()
        of_child = spoken_for == "a guardian"
        # The birthday is the last day of fifteen.
        day_after = born.replace(year=born.year + 16) + timedelta(days=1)
        grown_on = day_after if of_child else None
        on_documents = spoken_for == "two members of staff"
        due_on = today.replace(year=today.year + 1) if on_documents else None
        self.pairs[made.binding_id] = Pair(holder, relative, spoken_for, grown_on, due_on)
        return made.binding_id

    def _room(self, holder: Insured, relative: Insured, *, of_relative: bool = True) -> bool:
        mine = self._relatives(holder)
        theirs = [
            pair for pair in self.pairs.values() if self._stands(pair) and pair.relative == relative
        ]
        few = len(mine) < RELATIVES_MAX and (not of_relative or len(theirs) < HOLDERS_MAX)
        return few and holder != relative and relative not in mine

    def _relatives(self, holder: Insured) -> list[Insured]:
        pairs = self.pairs.values()
        return [p.relative for p in pairs if self._stands(p) and p.holder == holder]

    def _stands(self, pair: Pair) -> bool:
        return not pair.ended and (pair.grown_on is None or self._today() < pair.grown_on)

    def _waits(self, asked: Asked) -> bool:
        in_time = self.house.now().timestamp() < asked.over_at
        return in_time and asked.done is None and not asked.dropped

    def _grown(self, person: Insured) -> bool:
        return self._age(person) >= 16

    def _age(self, person: Insured) -> int:
        born, today = person.id_number.birth_date, self._today()
        return today.year - born.year - ((today.month, today.day) <= (born.month, born.day))

    def _today(self) -> date:
        return business_date(self.house.now())


def answered(work: Callable[[], T]) -> T | None:
    try:
        return work()
    except Refused:
        return None


TestFamilyMachine = FamilyMachine.TestCase
TestFamilyMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
