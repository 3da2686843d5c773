"""The life of a voucher: activated once, woken, frozen by whom, closed for good."""

from datetime import timedelta
from pathlib import Path

import pytest

from insurer.vouchers.wallet import CLERK, OPERATOR, REGION, SCAN, Wallet, scanned
from shualian.core.identifiers import SessionId
from shualian.core.refusals import Refused
from shualian.insurer.vouchers.model import (
    DORMANT_AFTER,
    ByChannel,
    FreezeReason,
    VoucherState,
)
from shualian.verification.registry.model import RegistryVerdict

BY_APP = ByChannel("alipay", "FACE-20260504-0001")
MISUSE = FreezeReason.SUSPECTED_MISUSE


def code_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.kind.code


def test_a_voucher_is_activated_at_a_terminal_once(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.person()
    assert wallet.vouchers.standing(psn_no) is VoucherState.NOT_ACTIVATED
    before = wallet.vouchers.activate_at_terminal(
        psn_no, region=REGION, session_id=SCAN, at=wallet.now()
    )
    again = wallet.vouchers.activate_at_terminal(
        psn_no, region=REGION, session_id=SCAN, at=wallet.now()
    )
    assert (before, again) == (VoucherState.NOT_ACTIVATED, VoucherState.ACTIVE)
    assert wallet.vouchers.standing(psn_no) is VoucherState.ACTIVE
    (event,) = wallet.changes()
    assert '"activated"' in event
    assert SCAN in event


def test_a_token_has_the_national_form_and_finds_its_person(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.person()
    token = wallet.vouchers.activate_by_channel(
        psn_no, region=REGION, evidence=BY_APP, at=wallet.now()
    )
    assert 32 <= len(token) <= 38
    assert token.startswith(REGION)
    assert token.isascii()
    assert wallet.vouchers.ec_token(psn_no) == token
    assert wallet.vouchers.by_ec_token(token) == psn_no
    assert wallet.vouchers.by_ec_token(wallet.vouchers.ec_token(wallet.activated(2))) != psn_no
    with pytest.raises(Refused) as refused:
        wallet.vouchers.by_ec_token(token[:-1] + ("0" if token[-1] != "0" else "1"))
    assert code_of(refused) == "insurer.voucher_not_activated"


def test_no_token_lies_on_the_disk(wallet: Wallet, tmp_path: Path) -> None:
    psn_no = wallet.activated()
    token, shown = wallet.vouchers.ec_token(psn_no), wallet.vouchers.show_code(psn_no)
    wallet.redeem(shown.token)
    on_disk = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("test.db*")))
    assert b"voucher_code" in on_disk
    for secret in (token, shown.token):
        assert secret.encode() not in on_disk
        assert secret not in repr(shown) + "".join(wallet.changes())


def test_an_unused_voucher_sleeps_and_a_scan_wakes_it(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.activated()
    wallet.wait(DORMANT_AFTER)
    assert wallet.vouchers.standing(psn_no) is VoucherState.DORMANT
    with pytest.raises(Refused) as refused:
        wallet.vouchers.show_code(psn_no)
    assert code_of(refused) == "insurer.voucher_dormant"
    wallet.vouchers.wake(psn_no, session_id=SessionId("SCAN-2"))
    assert wallet.vouchers.standing(psn_no) is VoucherState.ACTIVE
    assert '"woken"' in wallet.changes()[-1]


def test_a_used_voucher_does_not_sleep(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    wallet.wait(DORMANT_AFTER - timedelta(days=1))
    wallet.redeem(wallet.vouchers.show_code(psn_no).token)
    wallet.wait(timedelta(days=2))
    assert wallet.vouchers.standing(psn_no) is VoucherState.ACTIVE


def test_who_was_never_activated_cannot_be_woken_frozen_or_closed(wallet: Wallet) -> None:
    psn_no = wallet.person()
    for act in (
        lambda: wallet.vouchers.wake(psn_no, session_id=SCAN),
        lambda: wallet.vouchers.freeze(psn_no, reason=MISUSE, actor=OPERATOR),
        lambda: wallet.vouchers.close(psn_no, actor=OPERATOR),
        lambda: wallet.vouchers.show_code(psn_no),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert code_of(refused) == "insurer.voucher_not_activated"


def test_the_own_freeze_is_undone_by_the_own_strong_scan(any_wallet: Wallet) -> None:
    wallet = any_wallet
    psn_no = wallet.activated()
    wallet.vouchers.freeze_own(scanned(psn_no, active=False), reason=FreezeReason.LOST_PHONE)
    assert wallet.vouchers.standing(psn_no) is VoucherState.FROZEN
    for weak in (
        scanned(psn_no, active=False),
        scanned(psn_no, registry=None),
        scanned(psn_no, registry=RegistryVerdict.UNAVAILABLE),
    ):
        with pytest.raises(Refused) as refused:
            wallet.vouchers.unfreeze_own(weak)
        assert code_of(refused) == "insurer.scan_too_weak"
    wallet.vouchers.unfreeze_own(scanned(psn_no))
    assert wallet.vouchers.standing(psn_no) is VoucherState.ACTIVE


def test_what_a_window_froze_only_the_person_or_the_insurer_undoes(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    wallet.vouchers.freeze(psn_no, reason=MISUSE, actor=CLERK)
    with pytest.raises(Refused) as refused:
        wallet.vouchers.unfreeze(psn_no, actor=CLERK)
    assert code_of(refused) == "insurer.insurer_only"
    wallet.vouchers.unfreeze(psn_no, actor=OPERATOR)
    wallet.vouchers.freeze(psn_no, reason=MISUSE, actor=CLERK)
    wallet.vouchers.unfreeze_own(scanned(psn_no))
    assert wallet.vouchers.standing(psn_no) is VoucherState.ACTIVE


def test_what_the_insurer_froze_only_the_insurer_undoes(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    wallet.vouchers.freeze(psn_no, reason=MISUSE, actor=CLERK)
    wallet.vouchers.freeze(psn_no, reason=FreezeReason.INVESTIGATION, actor=OPERATOR)
    wallet.vouchers.freeze_own(scanned(psn_no), reason=FreezeReason.PERSON_ASKED)
    with pytest.raises(Refused) as refused:
        wallet.vouchers.unfreeze_own(scanned(psn_no))
    assert code_of(refused) == "insurer.frozen_by_insurer"
    wallet.vouchers.unfreeze(psn_no, actor=OPERATOR)
    assert wallet.vouchers.standing(psn_no) is VoucherState.ACTIVE


def test_a_frozen_voucher_does_nothing(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    token = wallet.vouchers.ec_token(psn_no)
    wallet.vouchers.freeze_own(scanned(psn_no), reason=FreezeReason.LOST_PHONE)
    for act in (
        lambda: wallet.vouchers.wake(psn_no, session_id=SCAN),
        lambda: wallet.vouchers.by_ec_token(token),
        lambda: wallet.vouchers.ec_token(psn_no),
        lambda: wallet.vouchers.show_code(psn_no),
        lambda: wallet.vouchers.activate_by_channel(
            psn_no, region=REGION, evidence=BY_APP, at=wallet.now()
        ),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert code_of(refused) == "insurer.voucher_frozen"


def test_closing_is_the_insurers_and_for_good(wallet: Wallet) -> None:
    psn_no = wallet.activated()
    with pytest.raises(Refused) as refused:
        wallet.vouchers.close(psn_no, actor=CLERK)
    assert code_of(refused) == "insurer.insurer_only"
    wallet.vouchers.close(psn_no, actor=OPERATOR)
    wallet.vouchers.close(psn_no, actor=OPERATOR)
    for act in (
        lambda: wallet.vouchers.wake(psn_no, session_id=SCAN),
        lambda: wallet.vouchers.freeze(psn_no, reason=MISUSE, actor=OPERATOR),
        lambda: wallet.vouchers.unfreeze(psn_no, actor=OPERATOR),
        lambda: wallet.vouchers.activate_at_terminal(
            psn_no, region=REGION, session_id=SCAN, at=wallet.now()
        ),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert code_of(refused) == "insurer.voucher_closed"
    assert [event for event in wallet.changes() if '"closed"' in event] == wallet.changes()[-1:]
