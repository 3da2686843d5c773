"""Shown codes: single use, 30 seconds, one institution, one intent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from insurer.vouchers.wallet import (
    BILL,
    ELSEWHERE,
    HERE,
    OPERATOR,
    OTHER_BILL,
    Wallet,
)
from shualian.core.identifiers import IntentId
from shualian.core.refusals import Refused
from shualian.insurer.vouchers.model import (
    CODE_VALID,
    ELSEWHERE_WITHIN,
    CodeRedemption,
    FreezeReason,
)


def refusal(wallet: Wallet, token: str, **asked: str) -> str:
    with pytest.raises(Refused) as refused:
        wallet.redeem(token, **asked)  # type: ignore[arg-type]
    assert token not in str(refused.value)
    return refused.value.kind.code


def test_a_code_is_used_once_and_a_repeat_gets_the_same_answer(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.activated()
    shown = wallet.vouchers.show_code(psn_no)
    first = wallet.redeem(shown.token)
    wallet.wait(timedelta(minutes=5))
    assert wallet.redeem(shown.token) == first
    assert first == CodeRedemption(psn_no, HERE, BILL, "settle", first.redeemed_at)
    assert refusal(wallet, shown.token, intent_id=OTHER_BILL) == "insurer.code_used"
    assert refusal(wallet, shown.token, use="register") == "insurer.code_used"
    assert refusal(wallet, shown.token, institution=ELSEWHERE) == "insurer.voucher_in_use_elsewhere"


def test_a_code_ends_after_thirty_seconds(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    shown = wallet.vouchers.show_code(psn_no)
    assert shown.expires_at - wallet.now() == timedelta(seconds=30)
    wallet.wait(CODE_VALID)
    assert refusal(wallet, shown.token) == "insurer.code_expired"


def test_a_newer_code_voids_the_unused_one(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    older, newer = wallet.vouchers.show_code(psn_no), wallet.vouchers.show_code(psn_no)
    assert refusal(wallet, older.token) == "insurer.code_not_found"
    assert wallet.redeem(newer.token).psn_no == psn_no


def test_a_used_code_stays_answerable_when_a_newer_one_is_shown(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    older = wallet.vouchers.show_code(psn_no)
    first = wallet.redeem(older.token)
    wallet.vouchers.show_code(psn_no)
    assert wallet.redeem(older.token) == first


def test_a_guessed_code_finds_nothing(wallet: Wallet) -> None:
    wallet.vouchers.show_code(wallet.activated())
    assert refusal(wallet, "0" * 27) == "insurer.code_not_found"


def test_one_voucher_is_not_used_at_two_places_at_once(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.activated()
    wallet.redeem(wallet.vouchers.show_code(psn_no).token)
    elsewhere = wallet.vouchers.show_code(psn_no)
    code = refusal(wallet, elsewhere.token, institution=ELSEWHERE, intent_id=OTHER_BILL)
    assert code == "insurer.voucher_in_use_elsewhere"
    assert '"code_elsewhere"' in wallet.changes()[-1]
    wallet.wait(ELSEWHERE_WITHIN)
    later = wallet.vouchers.show_code(psn_no)
    assert wallet.redeem(later.token, ELSEWHERE, OTHER_BILL).institution == ELSEWHERE


def test_two_intents_at_one_place_take_two_codes(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    wallet.redeem(wallet.vouchers.show_code(psn_no).token)
    second = wallet.redeem(wallet.vouchers.show_code(psn_no).token, intent_id=OTHER_BILL)
    assert second.intent_id == OTHER_BILL


def test_a_code_of_a_voucher_that_was_frozen_meanwhile_is_refused(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    shown = wallet.vouchers.show_code(psn_no)
    wallet.vouchers.freeze(psn_no, reason=FreezeReason.INVESTIGATION, actor=OPERATOR)
    assert refusal(wallet, shown.token) == "insurer.voucher_frozen"


def test_of_many_who_redeem_one_code_at_once_one_intent_wins(any_wallet: Wallet) -> None:
    wallet = any_wallet
    token = wallet.vouchers.show_code(wallet.activated()).token

    def redeem(number: int) -> CodeRedemption | str:
        try:
            return wallet.redeem(token, intent_id=IntentId(f"BILL-{number}"))
        except Refused as refused:
            return refused.kind.code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(redeem, range(16)))
    won = [each for each in answers if isinstance(each, CodeRedemption)]
    lost = {each for each in answers if isinstance(each, str)}
    assert len(won) == 1
    assert lost <= {"insurer.code_used", "core.database_busy"}
