from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.staff.passwords.model import (
    FORGOTTEN_AFTER,
    FREE_FAILURES,
    PAUSE_MAX,
    HashCost,
    Password,
    counted,
    pause_after,
)
from shualian.staff.passwords.service import Passwords
from shualian.staff.passwords.store import staff_password, staff_sign_in_attempt
from staff.house import CHEAP, PHRASE, START, Ward, refused

WRONG = "not the right phrase"


class Spy:
    """Counts what the hasher is asked to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checks: list[str] = []
        verify = PasswordHasher.verify

        def spied(hasher: PasswordHasher, encoded: str, password: str) -> bool:
            self.checks.append(encoded.split("$")[3])
            return verify(hasher, encoded, password)

        monkeypatch.setattr(PasswordHasher, "verify", spied)


def failure(ward: Ward, login: str, phrase: str = WRONG) -> Refused:
    with pytest.raises(Refused) as refused:
        ward.by_password(login, phrase)
    return refused.value


def test_unknown_account_wrong_password_and_no_password_look_the_same(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)

    answers = [failure(ward, login) for login in ("doctor", "nobody", "chief")]

    assert {str(answer.as_json()) for answer in answers} == {str(answers[0].as_json())}
    assert answers[0].kind.code == "staff.sign_in_failed"
    # One check of the same cost for each.
    assert spy.checks == ["m=8,t=1,p=1"] * 3


def test_pauses_come_for_unknown_accounts_just_the_same(ward: Ward) -> None:
    for _ in range(FREE_FAILURES + 1):
        first = [failure(ward, login).kind.code for login in ("doctor", "nobody")]
        assert first == ["staff.sign_in_failed"] * 2

    paused = [failure(ward, login) for login in ("doctor", "nobody")]

    assert [each.kind.code for each in paused] == ["staff.sign_in_paused"] * 2
    assert [each.details for each in paused] == [{"seconds": 30}] * 2


def test_in_a_pause_not_even_the_right_password_is_looked_at(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(FREE_FAILURES + 1):
        failure(ward, "doctor")
    spy = Spy(monkeypatch)

    assert failure(ward, "doctor", PHRASE).kind.code == "staff.sign_in_paused"

    assert spy.checks == []
    ward.wait(timedelta(seconds=30))
    ward.by_password("doctor")


def test_a_success_forgets_the_failures(ward: Ward) -> None:
    for _ in range(FREE_FAILURES):
        failure(ward, "doctor")
    ward.by_password("doctor")

    for _ in range(FREE_FAILURES + 1):
        assert failure(ward, "doctor").kind.code == "staff.sign_in_failed"


def test_failures_and_pauses_are_recorded(ward: Ward) -> None:
    for _ in range(FREE_FAILURES + 1):
        failure(ward, "nobody")

    assert ward.events()[-5:] == ["sign_in_failed"] * 4 + ["paused"]


def test_failures_of_long_ago_leave_the_database(ward: Ward) -> None:
    failure(ward, "nobody")
    ward.wait(FORGOTTEN_AFTER + timedelta(seconds=1))
    failure(ward, "doctor")

    rows = ward.database.read(lambda c: c.execute(select(staff_sign_in_attempt)).all())

    assert [row.failures for row in rows] == [1]


def test_a_hash_of_other_parameters_is_renewed_at_the_next_right_password(ward: Ward) -> None:
    dearer = HashCost(passes=2, memory_kib=16, lanes=1)
    newer = ward.with_cost(dearer)

    failure(ward, "doctor")
    assert cost_kept(ward) == "m=8,t=1,p=1"
    newer.sign_in.by_password(login="doctor", password=Password.typed(PHRASE))

    assert cost_kept(ward) == "m=16,t=2,p=1"
    newer.sign_in.by_password(login="doctor", password=Password.typed(PHRASE))


def cost_kept(ward: Ward) -> str:
    query = select(staff_password.c.hash_sealed).where(
        staff_password.c.staff_id == ward.doctor.staff_id
    )
    kept = ward.database.read(lambda connection: connection.scalar(query))
    assert kept is not None
    context = ward.doctor.staff_id.encode()
    return ward.sealer.open(kept, purpose="staff.password", context=context).decode().split("$")[3]


def test_a_hash_put_into_another_account_opens_nothing(ward: Ward) -> None:
    hasher = Passwords(sealer=ward.sealer, cost=CHEAP)
    password = Password.typed(PHRASE)
    kept = hasher.sealed(StaffId("A"), password)

    assert hasher.matches(StaffId("A"), kept, password)
    with refused("trust.seal_broken"):
        hasher.matches(StaffId("B"), kept, password)


def test_the_default_cost_is_the_second_recommended_option_of_rfc_9106() -> None:
    assert HashCost() == HashCost(passes=3, memory_kib=64 * 1024, lanes=4)


def test_the_default_cost_works(quick_ward: Ward) -> None:
    hasher = Passwords(sealer=quick_ward.sealer)
    kept = hasher.sealed(StaffId("A"), Password.typed(PHRASE))

    assert hasher.matches(StaffId("A"), kept, Password.typed(PHRASE))
    assert not hasher.outdated(StaffId("A"), kept)
    assert Passwords(sealer=quick_ward.sealer, cost=CHEAP).outdated(StaffId("A"), kept)


def test_nothing_is_hashed_inside_a_transaction(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    ward = Ward(sqlite_database, tmp_path / "keys")
    hasher = Passwords(sealer=ward.sealer, cost=CHEAP)

    with pytest.raises(WorkInTransactionError):
        sqlite_database.write(lambda _: hasher.sealed(StaffId("A"), Password.typed(PHRASE)))


def test_the_same_words_typed_in_another_unicode_form_match(ward: Ward) -> None:
    composed, apart = "caf\u00e9 am Fluss um acht", "cafe\u0301 am Fluss um acht"
    ward.services.credentials.set_password(ward.doctor, password=Password.typed(composed))

    ward.by_password("doctor", apart)


def test_what_is_typed_beyond_the_longest_password_matches_nothing(ward: Ward) -> None:
    longest = "abcdefgh" * 16
    ward.services.credentials.set_password(ward.doctor, password=Password.typed(longest))

    assert failure(ward, "doctor", longest + "i").kind.code == "staff.sign_in_failed"
    ward.by_password("doctor", longest)


@settings(deadline=None)
@given(st.integers(0, 5000))
def test_pauses_grow_and_end(failures: int) -> None:
    now, next_one = pause_after(failures), pause_after(failures + 1)

    assert timedelta() <= now <= next_one <= PAUSE_MAX < FORGOTTEN_AFTER
    assert (now == timedelta()) == (failures <= FREE_FAILURES)
    assert next_one <= max(2 * now, timedelta(seconds=30))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 100_000))
def test_failures_add_up_until_they_are_forgotten(times: int, pause_s: int) -> None:
    attempts = None
    for number in range(times):
        attempts = counted(attempts, START + number * timedelta(seconds=pause_s))

    assert attempts is not None
    kept = timedelta(seconds=pause_s) <= FORGOTTEN_AFTER
    assert attempts.failures == (times if kept else 1)
