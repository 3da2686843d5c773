"""The trace in sentences, made on demand, for a receipt or a clerk's screen."""

from collections.abc import Mapping
from typing import Literal

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import Fen, format_yuan
from shualian.insurer.benefits.amounts import Fund, Ratio
from shualian.insurer.benefits.lines import ClassifiedItem
from shualian.insurer.benefits.model import Settlement
from shualian.insurer.benefits.trace import Rule, Step

Language = Literal["zh", "en"]

_Sentences = Mapping[Language, str]

_SENTENCES: Mapping[Rule, _Sentences] = {
    Rule.OWN: {
        "zh": "{item}：丙类（自费），{before} 元全部由个人承担",
        "en": "{item}: class C, self-paid: {before} yuan, all yours to pay",
    },
    Rule.LIMIT_OF_USE: {
        "zh": "{item}：不符合限定使用范围{limit}，{before} 元全部由个人承担",
        "en": "{item}: used outside its limits{limit}: {before} yuan, all yours to pay",
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
    Rule.OUT_OF_REGION: {
        "zh": "在参保地以外就医{regions}：{before} 元里先由个人承担 {ratio}，即 {borne} 元，"
        "基金支付比例降低 {share}",
        "en": "Care outside the insured region{regions}: of {before} yuan you first bear {ratio}, "
        "{borne} yuan; the fund's ratios fall by {share}",
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
    Rule.THRESHOLD: {
        "zh": "起付线以上由个人承担的范围内费用，全年超过 {standard} 元的再报一次："
        "今年已经累计 {used} 元，这次 {before} 元里有 {after} 元超过",
        "en": "What you bear of covered costs above the deductible is helped with beyond "
        "{standard} yuan a year: {used} yuan so far, of {before} yuan this time {after} yuan "
        "are beyond",
    },
    Rule.SUPPLEMENT: {
        "zh": "再报一次的部分里 {above} 元到 {up_to} 元：{part} 元，{fund}付 {ratio}，即 {pays} 元",
        "en": "Of that, from {above} to {up_to} yuan: {part} yuan, {fund} pays {ratio}, "
        "{pays} yuan",
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
    Rule.HOSPITAL: {
        "zh": "目录外费用 {found} 元，超过总费用 {ratio} 的 {pays} 元由医院承担",
        "en": "{found} yuan lie outside the catalogue; the {pays} yuan above {ratio} of the bill "
        "are the hospital's to bear",
    },
    Rule.ACCOUNT: {
        "zh": "个人账户余额 {balance} 元，这次付 {pays} 元，还剩 {left} 元",
        "en": "Personal account {balance} yuan: it pays {pays} yuan, {left} yuan are left",
    },
    Rule.FAMILY: {
        "zh": "家庭共济账户可用 {balance} 元，这次付 {pays} 元，还剩 {left} 元",
        "en": "Relatives' accounts {balance} yuan: they pay {pays} yuan, {left} yuan are left",
    },
    Rule.CASH: {
        "zh": "自己还要付 {before} 元",
        "en": "Left for you to pay: {before} yuan",
    },
}
_LOWER_RATIOS: _Sentences = {
    "zh": "在参保地以外就医{regions}：基金支付比例降低 {share}",
    "en": "Care outside the insured region{regions}: the fund's ratios fall by {share}",
}
_NO_DIFFERENCE: _Sentences = {
    "zh": "在参保地以外就医{regions}：待遇和参保地一样",
    "en": "Care outside the insured region{regions}: paid as in it",
}
_FIRST_SHARE: _Sentences = {
    "zh": "在参保地以外就医{regions}：{before} 元里先由个人承担 {ratio}，即 {borne} 元",
    "en": "Care outside the insured region{regions}: of {before} yuan you first bear {ratio}, "
    "{borne} yuan",
}
_DEDUCTIBLE_BORNE: _Sentences = {
    "zh": "起付线 {standard} 元，今年已经累计满，这次不用再承担",
    "en": "Deductible {standard} yuan: borne in full this year, nothing more this time",
}
_DEDUCTIBLE_OF_VISIT: _Sentences = {
    "zh": "每次就诊起付线 {standard} 元，这次就诊已经承担 {used} 元，现在先由个人承担 {borne} 元",
    "en": "Deductible {standard} yuan for each visit, {used} yuan borne for this visit so far, "
    "now you first bear {borne} yuan",
}
_DEDUCTIBLE_OF_ADMISSION: _Sentences = {
    "zh": "今年第 {admission} 次住院，起付线 {standard} 元，这次住院已经承担 {used} 元，"
    "现在先由个人承担 {borne} 元",
    "en": "Admission number {admission} of the year: deductible {standard} yuan, {used} yuan "
    "borne for this stay so far, now you first bear {borne} yuan",
}
_NO_DEDUCTIBLE: _Sentences = {"zh": "没有起付线", "en": "No deductible"}
_ONE_SEGMENT: _Sentences = {
    "zh": "起付线以上的部分：{part} 元，{fund}付 {ratio}，即 {pays} 元",
    "en": "Above the deductible: {part} yuan, {fund} pays {ratio}, {pays} yuan",
}
_LAST_SEGMENT: _Sentences = {
    "zh": "起付线以上、全年超过 {above} 元的部分：{part} 元，{fund}付 {ratio}，即 {pays} 元",
    "en": "Above the deductible, beyond {above} yuan of the year: {part} yuan, "
    "{fund} pays {ratio}, {pays} yuan",
}
_SEGMENT_OF_VISIT: _Sentences = {
    "zh": "起付线以上、这次就诊 {above} 元到 {up_to} 元的部分：{part} 元，{fund}付 {ratio}，"
    "即 {pays} 元",
    "en": "Above the deductible, from {above} to {up_to} yuan of the visit: {part} yuan, "
    "{fund} pays {ratio}, {pays} yuan",
}
_LAST_SEGMENT_OF_VISIT: _Sentences = {
    "zh": "起付线以上、这次就诊超过 {above} 元的部分：{part} 元，{fund}付 {ratio}，即 {pays} 元",
    "en": "Above the deductible, beyond {above} yuan of the visit: {part} yuan, "
    "{fund} pays {ratio}, {pays} yuan",
}
_WHOLE_VISIT: _Sentences = {
    "zh": "这次就诊起付线以上的费用按一个比例：{part} 元，{fund}付 {ratio}，即 {pays} 元",
    "en": "One ratio for all of the visit above the deductible: {part} yuan, {fund} pays {ratio}, "
    "{pays} yuan",
}
_LAST_SUPPLEMENT: _Sentences = {
    "zh": "再报一次的部分里超过 {above} 元的：{part} 元，{fund}付 {ratio}，即 {pays} 元",
    "en": "Of that, beyond {above} yuan: {part} yuan, {fund} pays {ratio}, {pays} yuan",
}
_CAP_OF_VISIT: _Sentences = {
    "zh": "{fund}每次就诊最多付 {limit} 元，这次就诊已经付 {used} 元：应付 {before} 元，"
    "现在只能付 {after} 元",
    "en": "{fund} pays at most {limit} yuan for a visit and has paid {used} yuan for this one: "
    "of {before} yuan it pays {after} yuan",
}
_NO_THRESHOLD: _Sentences = {
    "zh": "起付线以上由个人承担的范围内费用 {before} 元，再报一次",
    "en": "The {before} yuan of covered costs that you bear above the deductible are helped with",
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


_OF_LINES = frozenset((Rule.OWN, Rule.LIMIT_OF_USE, Rule.CEILING, Rule.UPFRONT, Rule.IN_SCOPE))
_RATIOS = frozenset(("ratio", "share"))


def render_trace(settlement: Settlement, language: Language) -> tuple[str, ...]:
    """One sentence for each step of the trace, in the order in which the rules were applied."""
    items = {line.item.feedetl_sn: line.item for line in settlement.lines}
    return tuple(_sentence(step, items, language) for step in settlement.trace)


def _sentence(step: Step, items: Mapping[ChargeItemNo, ClassifiedItem], language: Language) -> str:
    words = {name: _shown(name, value) for name, value in step.facts.items()}
    words |= {"before": _yuan(step.before), "after": _yuan(step.after)}
    if step.rule is Rule.OUT_OF_REGION:
        words["regions"] = _regions(step.facts)[language]
    if step.rule in _OF_LINES:
        words |= _of_item(items[ChargeItemNo(step.subject)], words, language)
    elif step.subject:
        words["fund"] = _FUNDS[Fund(step.subject)][language]
    text = _template(step)[language].format_map(words)
    return text[:1].upper() + text[1:]


def _of_item(item: ClassifiedItem, words: Mapping[str, str], language: Language) -> dict[str, str]:
    """What a line is called; and its limit of use, where no price limit is meant."""
    limits = item.limits
    text = "" if limits is None else (limits.text_zh if language == "zh" else limits.text_en)
    shown = {"zh": f"（{text}）", "en": f" ({text})"}[language] if text else ""
    name = item.name_zh if language == "zh" else item.name_en
    return {"item": name, "limit": words.get("limit", shown)}


def _template(step: Step) -> _Sentences:
    facts = step.facts
    if step.rule is Rule.DEDUCTIBLE:
        return _deductible(facts)
    if step.rule is Rule.SEGMENT:
        return _segment(facts)
    if step.rule is Rule.OUT_OF_REGION:
        return _out_of_region(facts)
    special = {
        Rule.THRESHOLD: (not facts.get("standard"), _NO_THRESHOLD),
        Rule.SUPPLEMENT: ("up_to" not in facts, _LAST_SUPPLEMENT),
        Rule.CAP: ("visit" in facts, _CAP_OF_VISIT),
        Rule.CASH: (not step.before, _NOTHING_LEFT),
    }
    applies, sentences = special.get(step.rule, (False, _NOTHING_LEFT))
    return sentences if applies else _SENTENCES[step.rule]


def _deductible(facts: Mapping[str, int]) -> _Sentences:
    if not facts["standard"]:
        return _NO_DEDUCTIBLE
    if "admission" in facts:
        return _DEDUCTIBLE_OF_ADMISSION
    if "visit" in facts:
        return _DEDUCTIBLE_OF_VISIT
    return _SENTENCES[Rule.DEDUCTIBLE] if facts["borne"] else _DEDUCTIBLE_BORNE


def _out_of_region(facts: Mapping[str, int]) -> _Sentences:
    if facts["ratio"] and facts["share"]:
        return _SENTENCES[Rule.OUT_OF_REGION]
    if facts["ratio"]:
        return _FIRST_SHARE
    return _LOWER_RATIOS if facts["share"] else _NO_DIFFERENCE


def _regions(facts: Mapping[str, int]) -> _Sentences:
    """Whose catalogue and whose policy apply."""
    if "care_region" not in facts:
        return {"zh": "", "en": ""}
    care, insured = f"{facts['care_region']:06}", f"{facts['insured_region']:06}"
    return {
        "zh": f"（目录按就医地 {care}，待遇按参保地 {insured}）",
        "en": f" (catalogue of the care region {care}, policy of the insured region {insured})",
    }


def _segment(facts: Mapping[str, int]) -> _Sentences:
    if "whole" in facts:
        return _WHOLE_VISIT
    if not facts["above"] and "up_to" not in facts:
        return _ONE_SEGMENT
    if "visit" in facts:
        return _SEGMENT_OF_VISIT if "up_to" in facts else _LAST_SEGMENT_OF_VISIT
    return _SENTENCES[Rule.SEGMENT] if "up_to" in facts else _LAST_SEGMENT


def _shown(name: str, value: int) -> str:
    if name in _RATIOS:
        return _percent(Ratio(value))
    return str(value) if name == "admission" else _yuan(Fen(value))


def _yuan(amount: Fen) -> str:
    return format_yuan(amount).removesuffix(".00")


def _percent(ratio: Ratio) -> str:
    return format_yuan(Fen(ratio)).rstrip("0").rstrip(".") + "%"
