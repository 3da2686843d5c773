"""The trace in sentences, made on demand, for a receipt or a clerk's screen."""

from collections.abc import Mapping
from typing import Literal

from shualian.core.money import Fen, format_yuan
from shualian.insurer.benefits.model import Fund, Ratio, Rule, Settlement, Step

Language = Literal["zh", "en"]

_Sentences = Mapping[Language, str]

_SENTENCES: Mapping[Rule, _Sentences] = {
    Rule.OWN: {
        "zh": "{item}：丙类（自费），{before} 元全部由个人承担",
        "en": "{item}: class C, self-paid: {before} yuan, all yours to pay",
    },
    Rule.CEILING: {
        "zh": "{item}：限价 {limit} 元，超出的 {over} 元由个人承担",
        "en": "{item}: price limit {limit} yuan, the {over} yuan above it are yours to pay",
    },
    Rule.UPFRONT: {
        "zh": "{item}：乙类，先由个人承担 {ratio}，即 {upfront} 元，其余 {after} 元进入报销范围",
        "en": "{item}: class B, you first pay {ratio}, {upfront} yuan; {after} yuan are covered",
    },
    Rule.IN_SCOPE: {
        "zh": "{item}：甲类，{after} 元全部进入报销范围",
        "en": "{item}: class A, all {after} yuan are covered",
    },
    Rule.DEDUCTIBLE: {
        "zh": "起付线 {standard} 元，今年已经累计 {used} 元，这次先由个人承担 {borne} 元",
        "en": "Deductible {standard} yuan, {used} yuan borne so far this year, "
        "this time you first bear {borne} yuan",
    },
    Rule.SEGMENT: {
        "zh": "起付线以上、全年 {above} 元到 {up_to} 元的部分：{part} 元，{fund}付 {ratio}，"
        "即 {pays} 元",
        "en": "Above the deductible, from {above} to {up_to} yuan of the year: {part} yuan, "
        "{fund} pays {ratio}, {pays} yuan",
    },
    Rule.CAP: {
        "zh": "{fund}全年最多付 {limit} 元，今年已经付 {used} 元：应付 {before} 元，"
        "这次只能付 {after} 元",
        "en": "{fund} pays at most {limit} yuan a year and has paid {used} yuan: "
        "of {before} yuan it pays {after} yuan",
    },
    Rule.ABOVE_CAP: {
        "zh": "超过封顶线的 {before} 元，{fund}付 {ratio}，即 {pays} 元",
        "en": "Of the {before} yuan above the cap {fund} pays {ratio}, {pays} yuan",
    },
    Rule.ACCOUNT: {
        "zh": "个人账户余额 {balance} 元，这次付 {pays} 元，还剩 {left} 元",
        "en": "Personal account {balance} yuan: it pays {pays} yuan, {left} yuan are left",
    },
    Rule.CASH: {
        "zh": "自己还要付 {before} 元",
        "en": "Left for you to pay: {before} yuan",
    },
}
_DEDUCTIBLE_BORNE: _Sentences = {
    "zh": "起付线 {standard} 元，今年已经累计满，这次不用再承担",
    "en": "Deductible {standard} yuan: borne in full this year, nothing more this time",
}
_LAST_SEGMENT: _Sentences = {
    "zh": "起付线以上、全年超过 {above} 元的部分：{part} 元，{fund}付 {ratio}，即 {pays} 元",
    "en": "Above the deductible, beyond {above} yuan of the year: {part} yuan, "
    "{fund} pays {ratio}, {pays} yuan",
}
_NOTHING_LEFT: _Sentences = {"zh": "自己不用再付钱", "en": "Nothing is left for you to pay"}

_FUNDS: Mapping[Fund, _Sentences] = {
    Fund.POOLED: {"zh": "统筹基金", "en": "the pooled fund"},
    Fund.CIVIL_SERVANTS: {"zh": "公务员医疗补助", "en": "the civil-servant subsidy"},
    Fund.ENTERPRISE: {"zh": "企业补充医疗保险", "en": "the enterprise supplement"},
    Fund.CRITICAL_ILLNESS: {"zh": "大病保险", "en": "the critical-illness insurance"},
    Fund.LARGE_AMOUNT: {"zh": "大额医疗费用补助", "en": "the large-amount fund"},
    Fund.ASSISTANCE: {"zh": "医疗救助", "en": "medical assistance"},
    Fund.DISABLED: {"zh": "伤残人员医疗保障", "en": "the disabled persons' fund"},
    Fund.OTHER: {"zh": "其他基金", "en": "another fund"},
}


_OF_LINES = frozenset((Rule.OWN, Rule.CEILING, Rule.UPFRONT, Rule.IN_SCOPE))


def render_trace(settlement: Settlement, language: Language) -> tuple[str, ...]:
    """One sentence for each step of the trace, in the order in which the rules were applied."""
    items: dict[str, str] = {
        line.item.feedetl_sn: line.item.name_zh if language == "zh" else line.item.name_en
        for line in settlement.lines
    }
    return tuple(_sentence(step, items, language) for step in settlement.trace)


def _sentence(step: Step, items: Mapping[str, str], language: Language) -> str:
    words = {name: _shown(name, value) for name, value in step.facts.items()}
    words |= {"before": _yuan(step.before), "after": _yuan(step.after)}
    if step.rule in _OF_LINES:
        words["item"] = items[step.subject]
    elif step.subject:
        words["fund"] = _FUNDS[Fund(step.subject)][language]
    text = _template(step)[language].format_map(words)
    return text[:1].upper() + text[1:]


def _template(step: Step) -> _Sentences:
    if step.rule is Rule.DEDUCTIBLE and not step.facts["borne"]:
        return _DEDUCTIBLE_BORNE
    if step.rule is Rule.SEGMENT and "up_to" not in step.facts:
        return _LAST_SEGMENT
    if step.rule is Rule.CASH and not step.before:
        return _NOTHING_LEFT
    return _SENTENCES[step.rule]


def _shown(name: str, value: int) -> str:
    return _percent(Ratio(value)) if name == "ratio" else _yuan(Fen(value))


def _yuan(amount: Fen) -> str:
    return format_yuan(amount).removesuffix(".00")


def _percent(ratio: Ratio) -> str:
    return format_yuan(Fen(ratio)).rstrip("0").rstrip(".") + "%"
