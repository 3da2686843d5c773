"""The last place goes to one, however many ask for it at the same moment."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from insurer.family.household import SECOND_CLERK, SUPERVISOR, Household
from shualian.core.database import PostgresDatabase
from shualian.insurer.family.model import HOLDERS_MAX, RELATIVES_MAX
from staff.house import code_of


def codes_at_once(works: list[Callable[[], object]]) -> Counter[str]:
    with ThreadPoolExecutor(len(works)) as pool:
        return Counter(pool.map(code_of, works))


def test_a_relative_who_agrees_to_four_at_once_is_bound_by_two(any_household: Household) -> None:
    house = any_household
    relative, *holders = house.adults[:5]
    waiting = [house.propose(holder, relative) for holder in holders]

    codes = codes_at_once([partial(house.agree, relative, each) for each in waiting])

    assert codes == {"": HOLDERS_MAX, "insurer.family_holders_full": 4 - HOLDERS_MAX}
    assert len(house.family.view(relative.psn_no).holders) == HOLDERS_MAX


def test_seven_children_at_once_leave_a_guardian_with_five(any_household: Household) -> None:
    house = any_household
    mother = house.adults[0]

    codes = codes_at_once([partial(house.bind_child, mother, child) for child in house.children])

    assert codes == {"": RELATIVES_MAX, "insurer.family_relatives_full": 2}
    assert len(house.family.members(mother.psn_no, house.now())) == RELATIVES_MAX


def test_a_holder_who_asks_seven_at_once_asks_five(any_household: Household) -> None:
    house = any_household
    holder, *relatives = house.adults[:8]

    codes = codes_at_once([partial(house.propose, holder, each) for each in relatives])

    assert codes == {"": RELATIVES_MAX, "insurer.family_relatives_full": 2}


def test_one_agreement_sent_four_times_at_once_is_one_binding(any_household: Household) -> None:
    house = any_household
    holder, relative = house.adults[:2]
    proposal_id = house.propose(holder, relative)

    codes = codes_at_once([partial(house.agree, relative, proposal_id)] * 4)

    assert codes == {"": 4}
    assert len(house.family.view(relative.psn_no).holders) == 1
    assert [each["change"] for each in house.events()] == ["proposed", "bound"]


def test_two_workers_of_one_database_share_the_limits(postgres_url: str) -> None:
    first, second = PostgresDatabase(postgres_url), PostgresDatabase(postgres_url)
    house, other = Household(first), Household(second)
    relative, *holders = house.adults[:4]
    waiting = [house.enter(holder, relative) for holder in holders]

    codes = codes_at_once(
        [
            partial(place.window.approve, actor=actor, proposal_id=each)
            for each in waiting
            for place, actor in ((house, SECOND_CLERK), (other, SUPERVISOR))
        ]
    )

    assert codes[""] == HOLDERS_MAX
    assert len(other.family.view(relative.psn_no).holders) == HOLDERS_MAX
    first.close()
    second.close()
