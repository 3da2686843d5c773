"""What is good once is good once for everybody who comes at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shualian.core.database import PostgresDatabase
from shualian.staff.model import Role
from shualian.staff.passwords.model import FREE_FAILURES
from shualian.staff.service import StaffServices
from staff.house import CHEAP, House, Ward, code_of, supervisor_elsewhere

AT_ONCE = 6


def codes_at_once(works: list[Callable[[], object]]) -> list[str]:
    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(code_of, works))


def test_guesses_sent_at_once_are_each_counted(ward: Ward) -> None:
    guesses: list[Callable[[], object]] = [
        lambda: ward.by_password("doctor", "a wrong phrase") for _ in range(AT_ONCE + 4)
    ]

    codes = codes_at_once(guesses)

    assert codes.count("staff.sign_in_failed") == FREE_FAILURES + 1
    assert codes.count("staff.sign_in_paused") == len(guesses) - FREE_FAILURES - 1


def test_a_code_makes_one_session_however_often_it_is_sent_at_once(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)

    codes = codes_at_once([lambda: ward.enrol_password(code)] * 3)

    assert codes == ["", "staff.code_invalid", "staff.code_invalid"]


def test_an_answer_is_good_once_for_two_workers_of_one_database(
    postgres_url: str, tmp_path: Path
) -> None:
    first, second = PostgresDatabase(postgres_url), PostgresDatabase(postgres_url)
    ward = Ward(first, tmp_path / "keys")
    other: StaffServices = House(second, tmp_path / "keys").with_cost(CHEAP)
    key = ward.passkeys[ward.chief.staff_id]
    answer = key.get(ward.services.sign_in.passkey_options())

    codes = codes_at_once(
        [lambda s=services: s.sign_in.by_passkey(answer) for services in (ward.services, other)]  # type: ignore[misc]
    )

    assert codes == ["", "staff.challenge_expired"]
    token = ward.by_passkey(ward.chief.staff_id).token
    assert other.sessions.resolve(token).staff_id == ward.chief.staff_id
    other.sessions.revoke_all(ward.chief)
    assert code_of(lambda: ward.services.sessions.resolve(token)) == "staff.signed_out"
    first.close()
    second.close()
