"""What a settlement says: amounts, lines, reasons; its cancellation; and who pays each line."""

from collections.abc import Mapping
from dataclasses import dataclass

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import ZERO, Fen, allocate
from shualian.insurer.benefits.amounts import (
    AMOUNT_NAMES,
    Amounts,
    Fund,
    FundDetail,
    PersonPart,
    Ratio,
)
from shualian.insurer.benefits.lines import LineSplit
from shualian.insurer.benefits.rules import Policy
from shualian.insurer.benefits.trace import Rule, Step


@dataclass(frozen=True, slots=True)
class Settlement:
    """Every amount of one bill, and why.

    Attributes:
        policy_id: Whose clauses the trace names.
        policy_version: Of it.
        amounts: The bill.
        pool_prop_selfpay: The ratio of the last segment of the basic insurance that the bill
            reached, 0 when it reached none: no client can depend on this field (2.12 of the
            interface, 8 no. 7).
        lines: By ``feedetl_sn``.
        details: ``setldetail``: funds, hospital, personal account, relatives' account.
        accrual: By how much each counter grows; fen, and 1 for an admission.
        trace: Steps in the order in which the rules were applied.
    """

    policy_id: str
    policy_version: str
    amounts: Amounts
    pool_prop_selfpay: Ratio
    lines: tuple[LineSplit, ...]
    details: tuple[FundDetail, ...]
    accrual: Mapping[str, Fen]
    trace: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class LinePayers:
    """Who pays one line; all amounts add up to the line.

    Attributes:
        feedetl_sn: The line.
        funds: What each fund pays of it.
        hosp_part_amt: By the hospital.
        acct_pay: From the personal account.
        acct_mulaid_pay: From relatives' accounts.
        psn_cash_pay: By the person.
    """

    feedetl_sn: ChargeItemNo
    funds: Mapping[Fund, Fen]
    hosp_part_amt: Fen
    acct_pay: Fen
    acct_mulaid_pay: Fen
    psn_cash_pay: Fen


def mirrored(settlement: Settlement, *, balc: Fen) -> Settlement:
    """The cancellation of a settlement (2208): every amount negated, no rule applied.

    Args:
        settlement: The one that is undone.
        balc: Balance of the personal account after the refund; the one amount not negated.
    """
    money = {name: Fen(-getattr(settlement.amounts, name)) for name in AMOUNT_NAMES}
    lines = tuple(
        line._replace(
            fulamt_ownpay_amt=Fen(-line.fulamt_ownpay_amt),
            overlmt_amt=Fen(-line.overlmt_amt),
            preselfpay_amt=Fen(-line.preselfpay_amt),
            inscp_scp_amt=Fen(-line.inscp_scp_amt),
        )
        for line in settlement.lines
    )
    details = tuple(
        row._replace(
            inscp_scp_amt=Fen(-row.inscp_scp_amt),
            crt_payb_lmt_amt=ZERO,
            fund_payamt=Fen(-row.fund_payamt),
        )
        for row in settlement.details
    )
    return Settlement(
        policy_id=settlement.policy_id,
        policy_version=settlement.policy_version,
        amounts=Amounts(**{**money, "balc": balc}),
        pool_prop_selfpay=settlement.pool_prop_selfpay,
        lines=lines,
        details=details,
        accrual={counter: Fen(-amount) for counter, amount in settlement.accrual.items()},
        trace=(),
    )


def payers_by_line(policy: Policy, settlement: Settlement) -> tuple[LinePayers, ...]:
    """Who pays each fen of each line, by ``feedetl_sn``; lines and columns both add up exactly.

    Each bill amount is spread over what is still open of the lines, in proportion; the remainder
    goes to the largest fraction, then to the lowest ``feedetl_sn``. Hospital and accounts pay the
    parts of the burden in the order of the policy. Not for cancellations.
    """
    amounts, lines = settlement.amounts, settlement.lines
    scope = [line.inscp_scp_amt for line in lines]
    deductible = allocate(amounts.act_pay_dedc, scope)
    left = _less(scope, deductible)
    shares: dict[Fund, list[Fen]] = {}
    for fund in Fund:
        if paid := amounts.paid_by(fund):
            shares[fund] = allocate(paid, left)
            left = _less(left, shares[fund])
    open_ = {
        PersonPart.DEDUCTIBLE: deductible,
        PersonPart.SCOPE_SHARE: left,
        PersonPart.UPFRONT: [line.preselfpay_amt for line in lines],
        PersonPart.OVER_LIMIT: [line.overlmt_amt for line in lines],
        PersonPart.OWN: [line.fulamt_ownpay_amt for line in lines],
    }
    hospital = _spread(open_, _hospital_parts(policy, settlement), amounts.hosp_part_amt)
    own = _spread(open_, policy.account.pays if policy.account else (), amounts.acct_pay)
    relatives = policy.family_account.pays if policy.family_account else ()
    family = _spread(open_, relatives, amounts.acct_mulaid_pay)
    return tuple(
        LinePayers(
            feedetl_sn=line.item.feedetl_sn,
            funds={fund: parts[i] for fund, parts in shares.items() if parts[i]},
            hosp_part_amt=hospital[i],
            acct_pay=own[i],
            acct_mulaid_pay=family[i],
            psn_cash_pay=Fen(sum(column[i] for column in open_.values())),
        )
        for i, line in enumerate(lines)
    )


def _less(amounts: list[Fen], parts: list[Fen]) -> list[Fen]:
    return [Fen(whole - part) for whole, part in zip(amounts, parts, strict=True)]


def _hospital_parts(policy: Policy, settlement: Settlement) -> tuple[PersonPart, ...]:
    """The parts that the clause of the trace relieves; a policy has no clause twice."""
    clauses = {step.clause for step in settlement.trace if step.rule is Rule.HOSPITAL}
    rules = (schedule.hospital for schedule in policy.schedules.values())
    return next((rule.parts for rule in rules if rule and rule.clause in clauses), ())


def _spread(
    open_: dict[PersonPart, list[Fen]], parts: tuple[PersonPart, ...], amount: Fen
) -> list[Fen]:
    """Take ``amount`` from the columns of ``parts`` in order; gives what each line gave."""
    given = [ZERO] * len(open_[PersonPart.OWN])
    for part in parts:
        column = open_[part]
        here = allocate(Fen(min(amount, sum(column))), column)
        open_[part] = _less(column, here)
        given = [Fen(one + other) for one, other in zip(given, here, strict=True)]
        amount = Fen(amount - sum(here))
    return given
