"""`shualian policy check`: may this policy file be put to work?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.money import ZERO, Fen, format_yuan
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    POLICY_INVALID,
    Case,
    ItemLevel,
    Policy,
    Settlement,
    settle,
)
from shualian.insurer.benefits.policy import parse_policy
from shualian.insurer.benefits.question import setlinfo
from shualian.insurer.benefits.soundness import check_by_trial, person_of, trial_item, visit_of
from shualian.insurer.benefits.wording import render_trace

_BILL = ((ItemLevel.A, Fen(1_200_00)), (ItemLevel.B, Fen(600_00)), (ItemLevel.C, Fen(200_00)))
"""The bill of the worked example: 2,000 yuan."""


def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A policy in TOML")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Check a policy file; refused with the place when anything in it is wrong.

    Refuses gaps, overlaps, segments that are never reached, ratios outside 0..1, and rules by
    which a dearer bill would cost the person less. Then works an example.
    """
    policy = parse_policy(_text(file))
    tried = check_by_trial(policy)
    examples = worked_examples(policy)
    if as_json:
        print(json.dumps(_members(policy, tried, examples), ensure_ascii=False))
    else:
        _print(policy, tried, examples)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise Refused(POLICY_INVALID, at="file", found="not UTF-8") from None


def worked_examples(policy: Policy) -> dict[Case, Settlement]:
    """A bill of 2,000 yuan for the first case of every kind of visit, as the year's first."""
    bill = [trial_item(str(i), level, amount) for i, (level, amount) in enumerate(_BILL, 1)]
    cases: dict[tuple[str, str], Case] = {}
    for case in policy.schedules:
        cases.setdefault((case.med_type, case.disease), case)
    return {
        case: settle(policy, person_of(policy, case), {}, visit_of(policy, case), bill)
        for case in cases.values()
    }


def _members(policy: Policy, tried: int, examples: dict[Case, Settlement]) -> dict[str, object]:
    return {
        "sound": True,
        "policy_id": policy.policy_id,
        "version": policy.version,
        "illustrative": policy.illustrative,
        "region": policy.region,
        "insutype": policy.insutype,
        "valid_from": policy.valid_from.isoformat(),
        "valid_to": policy.valid_to.isoformat() if policy.valid_to else None,
        "cases": len(policy.schedules),
        "bills_tried": tried,
        "examples": [
            {"case": case._asdict(), "setlinfo": setlinfo(settlement)}
            for case, settlement in examples.items()
        ],
    }


def _print(policy: Policy, tried: int, examples: dict[Case, Settlement]) -> None:
    console = Console(soft_wrap=True)
    until = policy.valid_to.isoformat() if policy.valid_to else "…"
    console.print(f"{policy.title_zh} · {policy.title_en}", markup=False)
    console.print(f"{policy.policy_id} {policy.version}, {policy.valid_from} – {until}")
    if policy.illustrative:
        console.print("示例，不是任何地区的真实规定。An illustration; the law of no place.")
    console.print(
        f"[green]✓[/green] {len(policy.schedules)} 种情况；试算 {tried} 张账单，没有一张更贵的账单"
        f"让个人少付。{len(policy.schedules)} cases; of {tried} bills no dearer one costs the "
        "person less."
    )
    _print_examples(console, examples)


def _print_examples(console: Console, examples: dict[Case, Settlement]) -> None:
    table = Table()
    table.add_column("情况 case", no_wrap=True)
    for header in ("总额 bill", "起付线 deductible", "基金 funds", "医院 hospital", "个人 person"):
        table.add_column(header, justify="right")
    for case, settlement in examples.items():
        a = settlement.amounts
        money = (a.medfee_sumamt, a.act_pay_dedc, a.fund_pay_sumamt, a.hosp_part_amt)
        shown = [format_yuan(amount) if amount != ZERO else "-" for amount in money]
        table.add_row("/".join(case).rstrip("/"), *shown, format_yuan(a.psn_part_amt))
    console.print(table)
    case, settlement = next(iter(examples.items()))
    console.print(f"例 example: {'/'.join(case).rstrip('/')}", markup=False)
    for zh, en in zip(render_trace(settlement, "zh"), render_trace(settlement, "en"), strict=True):
        console.print(f"  {zh}。{en}.", markup=False)
