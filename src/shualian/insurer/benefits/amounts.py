"""Ratios, funds and the amounts of one settlement, by the names of the national interface."""

from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, NewType

from shualian.core.money import Fen

Ratio = NewType("Ratio", int)
"""A fraction in ten-thousandths, 0..10000: the N5,4 of the national interface without a point."""

WHOLE = Ratio(10_000)
NOTHING = Ratio(0)


def portion(amount: Fen, ratio: Ratio) -> Fen:
    """``amount * ratio`` rounded half up to whole fen; ``amount`` is at least 0."""
    return Fen((amount * ratio + 5_000) // 10_000)


class ItemLevel(StrEnum):
    """``chrgitm_lv`` 收费项目等级: what the catalogue says of an item."""

    A = "01"
    """甲类: all of it inside the policy's scope."""
    B = "02"
    """乙类: the person first pays a share, the rest is inside the scope."""
    C = "03"
    """丙类: wholly self-paid."""


class Fund(StrEnum):
    """The funds, by the field of ``setlinfo`` that says what each pays."""

    POOLED = "hifp_pay"
    CIVIL_SERVANTS = "cvlserv_pay"
    ENTERPRISE = "hifes_pay"
    CRITICAL_ILLNESS = "hifmi_pay"
    LARGE_AMOUNT = "hifob_pay"
    ASSISTANCE = "maf_pay"
    DISABLED = "hifdm_pay"
    OTHER = "oth_pay"


class PersonPart(StrEnum):
    """The kinds of money that a person bears; a policy says which an account may pay."""

    DEDUCTIBLE = "act_pay_dedc"
    SCOPE_SHARE = "inscp_selfpay"
    UPFRONT = "preselfpay_amt"
    OVER_LIMIT = "overlmt_selfpay"
    OWN = "fulamt_ownpay_amt"


@dataclass(frozen=True, slots=True)
class Amounts:
    """The money of one settlement, by the names of ``setlinfo`` (2.11 of the interface).

    ``fund_pay_sumamt`` leaves the personal account out; a region that counts it in does so when
    the reply is written. ``acct_mulaid_pay`` is a third part of ``psn_part_amt`` beside the
    person's own account and cash. ``balc`` is the account's balance afterwards, never negated.
    """

    medfee_sumamt: Fen
    fulamt_ownpay_amt: Fen
    overlmt_selfpay: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen
    act_pay_dedc: Fen
    hifp_pay: Fen
    cvlserv_pay: Fen
    hifes_pay: Fen
    hifmi_pay: Fen
    hifob_pay: Fen
    maf_pay: Fen
    hifdm_pay: Fen
    oth_pay: Fen
    fund_pay_sumamt: Fen
    psn_part_amt: Fen
    acct_pay: Fen
    acct_mulaid_pay: Fen
    psn_cash_pay: Fen
    hosp_part_amt: Fen
    balc: Fen

    def paid_by(self, fund: Fund) -> Fen:
        """What ``fund`` pays."""
        amount: Fen = getattr(self, fund)
        return amount


AMOUNT_NAMES = tuple(field.name for field in fields(Amounts))
_ALL_BUT_BALC = attrgetter(*(name for name in AMOUNT_NAMES if name != "balc"))
_FUNDS = attrgetter(*Fund)


class FundDetail(NamedTuple):
    """One row of ``setldetail``.

    ``crt_payb_lmt_amt`` is what the payer could have paid at most this time: the rest under its
    cap, the account's balance, or 0 where there is no limit.
    """

    fund_pay_type: str
    fund_pay_type_name: str
    inscp_scp_amt: Fen
    crt_payb_lmt_amt: Fen
    fund_payamt: Fen


def broken_identities(amounts: Amounts) -> tuple[str, ...]:
    """The identities of 2.12 of the interface that do not hold; empty for right amounts.

    They hold for settlements and, with signs, for cancellations.
    """
    a = amounts
    sign = -1 if a.medfee_sumamt < 0 else 1
    funds = sum(_FUNDS(a))
    person = a.acct_pay + a.acct_mulaid_pay + a.psn_cash_pay
    scopes = a.fulamt_ownpay_amt + a.overlmt_selfpay + a.preselfpay_amt + a.inscp_scp_amt
    rules = {
        "medfee_sumamt is the sum of its four scopes": a.medfee_sumamt == scopes,
        "fund_pay_sumamt is the sum of the funds": a.fund_pay_sumamt == funds,
        "psn_part_amt is accounts and cash": a.psn_part_amt == person,
        "medfee_sumamt is funds, person and hospital": a.medfee_sumamt
        == a.fund_pay_sumamt + a.psn_part_amt + a.hosp_part_amt,
        "act_pay_dedc lies inside inscp_scp_amt": sign * a.act_pay_dedc <= sign * a.inscp_scp_amt,
        "the funds pay at most what is above the deductible": sign * funds
        <= sign * (a.inscp_scp_amt - a.act_pay_dedc),
        "no amount has the wrong sign": a.balc >= 0
        and (min(_ALL_BUT_BALC(a)) >= 0 if sign > 0 else max(_ALL_BUT_BALC(a)) <= 0),
    }
    return tuple(rule for rule, holds in rules.items() if not holds)
