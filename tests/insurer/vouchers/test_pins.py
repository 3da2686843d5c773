"""PINs: hard to guess, slow to hash, few tries whatever is sent at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurer.office import id_number
from insurer.vouchers.wallet import CLERK, OTHER_PIN, PIN, Wallet, scanned
from shualian.core.database import WorkInTransactionError
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.vouchers.model import (
    PIN_FAILURES_MAX,
    PIN_FREE_FAILURES,
    PinAttempts,
    check_new_pin,
    check_pin_attempts,
    pin_counted,
    pin_pause,
)
from shualian.insurer.vouchers.service import PIN_JOINS_AFTER, JoiningPins
from shualian.verification.model import Factor
from shualian.verification.registry.model import RegistryVerdict

WRONG = "135792"
HOUR = timedelta(hours=1)


def refusal(wallet: Wallet, psn_no: PersonNo, pin: str) -> str:
    with pytest.raises(Refused) as refused:
        wallet.pins.check(psn_no, pin)
    assert pin not in str(refused.value)
    return refused.value.kind.code


def with_pin(wallet: Wallet) -> PersonNo:
    psn_no = wallet.activated()
    wallet.pins.set(scanned(psn_no), PIN)
    return psn_no


def locked(wallet: Wallet) -> PersonNo:
    psn_no = with_pin(wallet)
    for _ in range(PIN_FAILURES_MAX):
        assert refusal(wallet, psn_no, WRONG) == "insurer.pin_wrong"
        wallet.wait(HOUR)
    return psn_no


def test_the_right_pin_passes_and_a_wrong_one_does_not(any_wallet: Wallet) -> None:
    psn_no = with_pin(any_wallet)
    any_wallet.pins.check(psn_no, PIN)
    assert refusal(any_wallet, psn_no, WRONG) == "insurer.pin_wrong"
    any_wallet.pins.check(psn_no, PIN)


def test_without_a_pin_none_passes(wallet: Wallet) -> None:
    assert refusal(wallet, wallet.activated(), PIN) == "insurer.pin_not_set"


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567", "12345a", "１２３４５６", " 58027", "580271\n"]
)
def test_what_is_no_pin_does_not_count_as_a_try(wallet: Wallet, pin: str) -> None:
    psn_no = with_pin(wallet)
    for _ in range(PIN_FAILURES_MAX + 1):
        with pytest.raises(Refused) as refused:
            wallet.pins.check(psn_no, pin)
        assert refused.value.kind.code == "insurer.pin_malformed"
    wallet.pins.check(psn_no, PIN)


@pytest.mark.parametrize(
    "pin",
    [
        "000000",
        "777777",
        "123456",
        "654321",
        "345678",
        "890123",
        "210987",
        "121212",
        "123123",
        "112233",
        "900101",
        "010190",
        "199001",
        *(pin for pin in (id_number(1).value[-6:], id_number(2).value[-6:]) if pin.isdecimal()),
        id_number(1).value[-7:-1],
        "990000",
    ],
)
def test_what_somebody_would_try_first_is_refused(pin: str) -> None:
    number = next(n for n in map(id_number, (2, 1)) if pin in n.value or n == id_number(1))
    with pytest.raises(Refused) as refused:
        check_new_pin(pin, id_number=number)
    assert refused.value.kind.code == "insurer.pin_weak"


@pytest.mark.parametrize("pin", [PIN, OTHER_PIN, "135792", "902134"])
def test_other_pins_are_good(pin: str) -> None:
    check_new_pin(pin, id_number=id_number(1))


@given(st.text("0123456789", min_size=6, max_size=6))
def test_few_pins_are_refused_as_weak(pin: str) -> None:
    weak = 0
    for first in range(10):
        try:
            check_new_pin(str(first) + pin[1:], id_number=id_number(1))
        except Refused:
            weak += 1
    assert weak <= 5


def test_pauses_grow_and_the_right_pin_ends_them(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = with_pin(wallet)
    for _ in range(PIN_FREE_FAILURES + 1):
        assert refusal(wallet, psn_no, WRONG) == "insurer.pin_wrong"
    assert refusal(wallet, psn_no, PIN) == "insurer.pin_paused"
    wallet.wait(pin_pause(PIN_FREE_FAILURES + 1))
    wallet.pins.check(psn_no, PIN)
    assert refusal(wallet, psn_no, WRONG) == "insurer.pin_wrong"


def test_six_wrong_ones_lock_the_pin_until_a_scan_resets_it(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = locked(wallet)
    wallet.wait(timedelta(days=30))
    assert refusal(wallet, psn_no, PIN) == "insurer.pin_locked"
    assert '"pin_locked"' in wallet.changes()[-1]
    wallet.pins.reset(scanned(psn_no), OTHER_PIN)
    wallet.pins.check(psn_no, OTHER_PIN)
    assert refusal(wallet, psn_no, PIN) == "insurer.pin_wrong"


def test_a_window_resets_a_locked_pin(wallet: Wallet) -> None:
    psn_no = locked(wallet)
    wallet.pins.reset_at_window(psn_no, OTHER_PIN, actor=CLERK)
    wallet.pins.check(psn_no, OTHER_PIN)
    assert CLERK.staff in wallet.changes()[-1]


def test_a_weak_scan_neither_sets_nor_resets(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    for weak in (
        scanned(psn_no, active=False),
        scanned(psn_no, registry=RegistryVerdict.UNAVAILABLE),
        scanned(psn_no, registry=None),
    ):
        for act in (wallet.pins.set, wallet.pins.reset):
            with pytest.raises(Refused) as refused:
                act(weak, PIN)
            assert refused.value.kind.code == "insurer.scan_too_weak"
    assert refusal(wallet, psn_no, PIN) == "insurer.pin_not_set"


def test_a_first_pin_is_set_once(wallet: Wallet) -> None:
    psn_no = with_pin(wallet)
    with pytest.raises(Refused) as refused:
        wallet.pins.set(scanned(psn_no), OTHER_PIN)
    assert refused.value.kind.code == "insurer.pin_set_already"
    wallet.pins.check(psn_no, PIN)


def test_a_weak_pin_leaves_the_earlier_one(wallet: Wallet) -> None:
    psn_no = with_pin(wallet)
    with pytest.raises(Refused) as refused:
        wallet.pins.reset(scanned(psn_no), "111111")
    assert refused.value.kind.code == "insurer.pin_weak"
    wallet.pins.check(psn_no, PIN)


def test_twenty_guesses_at_once_get_no_more_tries_than_one_after_another(
    any_wallet: Wallet,
) -> None:
    wallet = any_wallet
    psn_no = with_pin(wallet)

    def guess(number: int) -> str:
        try:
            wallet.pins.check(psn_no, f"4{number:02d}793")
        except Refused as refused:
            return refused.kind.code
        return "passed"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(guess, range(20)))
    # With the clock standing still the first pause stops everybody.
    assert answers.count("insurer.pin_wrong") <= PIN_FREE_FAILURES + 1
    assert set(answers) <= {"insurer.pin_wrong", "insurer.pin_paused", "core.database_busy"}


def test_hashing_in_a_transaction_is_a_fault(wallet: Wallet) -> None:
    psn_no = with_pin(wallet)
    with pytest.raises(WorkInTransactionError):
        wallet.database.read(lambda _: wallet.pins.check(psn_no, PIN))


def test_no_pin_and_no_readable_hash_lies_on_the_disk(wallet: Wallet, tmp_path: Path) -> None:
    with_pin(wallet)
    on_disk = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("test.db*")))
    assert b"voucher_pin" in on_disk
    assert b"argon2" not in on_disk
    assert PIN not in "".join(wallet.changes())


@given(st.lists(st.integers(0, 4_000), max_size=12))
def test_a_guesser_never_has_more_than_six_tries(waits: list[int]) -> None:
    attempts: PinAttempts | None = None
    now, tries = scanned(PersonNo("P1")).confirmed_at, 0
    for wait in waits:
        now += timedelta(seconds=wait)
        try:
            check_pin_attempts(attempts, now=now)
        except Refused:
            continue
        attempts, tries = pin_counted(attempts, now=now), tries + 1
    assert tries <= PIN_FAILURES_MAX


def test_a_pin_that_rests_on_a_face_alone_joins_no_face_for_a_day(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.activated()
    by_number = replace(scanned(psn_no), factors=frozenset({Factor.FACE, Factor.DIGITS}))
    wallet.pins.set(by_number, PIN)
    joining = JoiningPins(wallet.pins)

    with pytest.raises(Refused) as refused:
        joining.check(psn_no, PIN)
    assert refused.value.kind.code == "insurer.pin_too_new"
    wallet.pins.check(psn_no, PIN)

    wallet.wait(PIN_JOINS_AFTER)
    joining.check(psn_no, PIN)


def test_a_pin_set_with_a_document_joins_a_face_at_once(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    with_card = replace(scanned(psn_no), factors=frozenset({Factor.FACE, Factor.DOCUMENT}))
    wallet.pins.set(with_card, PIN)
    JoiningPins(wallet.pins).check(psn_no, PIN)


def test_a_window_that_saw_the_document_lifts_the_wait(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    by_number = replace(scanned(psn_no), factors=frozenset({Factor.FACE, Factor.DIGITS}))
    wallet.pins.set(by_number, PIN)
    wallet.pins.reset_at_window(psn_no, OTHER_PIN, actor=CLERK)
    JoiningPins(wallet.pins).check(psn_no, OTHER_PIN)
