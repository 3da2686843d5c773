"""`shualian settle`: what each payer owes of a bill, and why; nothing is settled; how fast."""

import json
from dataclasses import asdict
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.money import ZERO, Fen, format_yuan
from shualian.insurer.benefits.question import (
    Answer,
    Question,
    answer,
    as_json,
    at_level,
    parse_question,
    question_schema,
)
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)
from shualian.insurer.benefits.wording import render_trace

Words = Literal["zh", "en", "both"]
Folder = Annotated[Path | None, typer.Option(exists=True, file_okay=False)]

_ROWS = (
    ("medfee_sumamt", "这次总费用", "The whole bill"),
    ("fulamt_ownpay_amt", "全自费（目录外）", "Outside the catalogue"),
    ("overlmt_selfpay", "超过限价", "Above price limits"),
    ("preselfpay_amt", "乙类先行自付", "Class B, your first share"),
    ("inscp_scp_amt", "政策范围内", "Inside the policy's scope"),
    ("act_pay_dedc", "其中起付线", "of which deductible"),
    ("hifp_pay", "统筹基金支付", "Pooled fund pays"),
    ("cvlserv_pay", "公务员补助支付", "Civil-servant subsidy pays"),
    ("hifes_pay", "企业补充支付", "Enterprise supplement pays"),
    ("hifmi_pay", "大病保险支付", "Critical-illness insurance pays"),
    ("hifob_pay", "大额补助支付", "Large-amount fund pays"),
    ("maf_pay", "医疗救助支付", "Medical assistance pays"),
    ("hifdm_pay", "伤残保障支付", "Disabled persons' fund pays"),
    ("oth_pay", "其他基金支付", "Other funds pay"),
    ("fund_pay_sumamt", "基金一共支付", "All funds together"),
    ("hosp_part_amt", "医院承担", "The hospital bears"),
    ("psn_part_amt", "个人一共承担", "You bear in all"),
    ("acct_pay", "其中个人账户", "from your account"),
    ("acct_mulaid_pay", "其中家庭共济账户", "from relatives' accounts"),
    ("psn_cash_pay", "其中还要付的钱", "left for you to pay"),
    ("balc", "个人账户余额", "Left in your account"),
)
_ALWAYS = frozenset(("medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "psn_cash_pay"))


def explain(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A bill in JSON")],
    language: Annotated[Words, typer.Option("--lang", help="Words of the table")] = "both",
    at: Annotated[
        str | None, typer.Option("--at-level", help="What if the institution had this level")
    ] = None,
    policies: Folder = None,
    catalogues: Folder = None,
    print_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Explain a bill in plain words: who pays what, and by which clause."""
    question = parse_question(file.read_bytes())
    books = (
        load_policies(_folder(policies, packaged_policies())),
        load_catalogues(_folder(catalogues, packaged_catalogues())),
    )
    found = answer(question, *books)
    other = None if at is None else answer(at_level(question, at), *books)
    if print_json:
        shown = as_json(found)
        if other is not None:
            shown["at_level"] = {"institution_level": at, **as_json(other)}
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    _print(question, found, language)
    if other is not None:
        _print_other(found, other, str(at))


def schema() -> None:
    """Print the JSON Schema of the bill that `settle explain` reads."""
    print(json.dumps(question_schema(), ensure_ascii=False, indent=2))


def bench(
    lines: Annotated[
        list[int] | None, typer.Option(min=1, max=1_000, help="Lines of a bill")
    ] = None,
    settlements: Annotated[int, typer.Option(min=100, max=200_000, help="Of each case")] = 5_000,
    print_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Measure settlements a second on one core, beside the splitting of the lines alone."""
    from shualian.sandbox.benefits_bench import TARGET_PER_S, measure

    rates = [measure(count, settlements) for count in lines or [1, 3, 20]]
    if print_json:
        print(json.dumps([asdict(rate) for rate in rates]))
        return
    table = Table("lines", "settlements/s", "lines split alone/s", "ratio", f"of {TARGET_PER_S}/s")
    for rate in rates:
        table.add_row(*(str(value) for value in asdict(rate).values()))
    Console().print(table)


def _folder(given: Path | None, packaged: Traversable) -> Traversable:
    return packaged if given is None else given


def _print(question: Question, found: Answer, language: Words) -> None:
    console = Console(soft_wrap=True)
    policy, settlement = found.policy, found.settlement
    console.print(_said(language, policy.title_zh, policy.title_en), markup=False)
    console.print(f"{question.day} · {policy.policy_id} {policy.version}", markup=False)
    if policy.illustrative:
        zh, en = "示例，不是任何地区的真实规定", "An illustration; the law of no place"
        console.print(_said(language, zh, en), markup=False)
    table = Table(_said(language, "项目", "What"))
    table.add_column(_said(language, "元", "yuan"), justify="right")
    for name, zh, en in _ROWS:
        amount: Fen = getattr(settlement.amounts, name)
        if amount != ZERO or name in _ALWAYS:
            table.add_row(_said(language, zh, en), format_yuan(amount))
    console.print(table)
    zh_en = zip(render_trace(settlement, "zh"), render_trace(settlement, "en"), strict=True)
    for step, (zh, en) in zip(settlement.trace, zh_en, strict=True):
        console.print(f"[{step.clause}] {_said(language, zh, en)}", markup=False)


def _said(language: Words, zh: str, en: str) -> str:
    return {"zh": zh, "en": en, "both": f"{zh} · {en}"}[language]


def _print_other(found: Answer, other: Answer, level: str) -> None:
    here, there = found.settlement.amounts, other.settlement.amounts
    less = Fen(here.psn_part_amt - there.psn_part_amt)
    word_zh, word_en = ("少", "less") if less >= 0 else ("多", "more")
    bears, apart = format_yuan(there.psn_part_amt), format_yuan(Fen(abs(less)))
    print(
        f"如果在 {level} 级机构：个人承担 {bears} 元，{word_zh} {apart} 元。"
        f"At an institution of level {level} you would bear {bears} yuan, {apart} {word_en}."
    )
