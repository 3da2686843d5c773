"""A receipt in lines of text, for a printer or a screen."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

from shualian.core.clock import CHINA
from shualian.core.money import Fen, format_yuan
from shualian.hospital.cashier.model import Receipt, ReceiptLine
from shualian.hospital.cashier.tenders.model import Tender
from shualian.hospital.model import Amounts

Language = Literal["zh", "en"]

_Words = Mapping[Language, str]

_CLASSES: Mapping[str, _Words] = {
    "01": {"zh": "甲类", "en": "class A"},
    "02": {"zh": "乙类", "en": "class B"},
    "03": {"zh": "丙类，自费", "en": "class C, self-paid"},
}
_PAYERS: Mapping[str, _Words] = {
    "hifp_pay": {"zh": "基本医疗保险统筹基金", "en": "Pooled fund of the basic insurance"},
    "cvlserv_pay": {"zh": "公务员医疗补助资金", "en": "Civil-servant subsidy"},
    "hifes_pay": {"zh": "企业补充医疗保险基金", "en": "Enterprise supplement"},
    "hifmi_pay": {"zh": "居民大病保险资金", "en": "Critical-illness insurance"},
    "hifob_pay": {"zh": "职工大额医疗费用补助基金", "en": "Large-amount fund"},
    "maf_pay": {"zh": "医疗救助基金", "en": "Medical assistance"},
    "hifdm_pay": {"zh": "伤残人员医疗保障基金", "en": "Disabled persons' fund"},
    "oth_pay": {"zh": "其他基金", "en": "Other funds"},
    "acct_pay": {"zh": "本人个人账户", "en": "Personal account"},
    "acct_mulaid_pay": {"zh": "家人个人账户共济", "en": "A relative's account"},
    "hosp_part_amt": {"zh": "医院承担", "en": "The hospital"},
    "psn_cash_pay": {"zh": "本人现金", "en": "Cash"},
}
_TEXT: Mapping[str, _Words] = {
    "title": {"zh": "{name} 门诊结算单", "en": "{name}: outpatient receipt"},
    "numbers": {
        "zh": "结算号 {setl_id}，就诊号 {encounter_no}，医保就诊号 {mdtrt_id}",
        "en": "Settlement {setl_id}, encounter {encounter_no}, insurer's visit {mdtrt_id}",
    },
    "patient": {"zh": "姓名 {name}，证件号 {number}", "en": "Patient {name}, ID number {number}"},
    "place": {"zh": "{dept}，医生 {doctor}，{time}", "en": "{dept}, Dr {doctor}, {time}"},
    "charges": {"zh": "【费用】", "en": "[What for]"},
    "line": {
        "zh": "{item}（{level}）：{pric} 元 × {cnt} = {amount} 元",
        "en": "{item} ({level}): {pric} yuan x {cnt} = {amount} yuan",
    },
    "over": {"zh": "，其中超限价 {amount} 元", "en": ", {amount} yuan of it over the price limit"},
    "upfront": {"zh": "，先行自付 {amount} 元", "en": ", {amount} yuan of it paid first"},
    "total": {"zh": "合计 {amount} 元", "en": "Total {amount} yuan"},
    "payers": {"zh": "【谁付】", "en": "[Who pays]"},
    "payer": {"zh": "{payer}：{amount} 元", "en": "{payer}: {amount} yuan"},
    "balance": {"zh": "，账户还剩 {amount} 元", "en": ", {amount} yuan are left in the account"},
    "cash": {
        "zh": "，收 {tendered} 元，找零 {change} 元",
        "en": ", {tendered} yuan given, {change} yuan change",
    },
    "card": {
        "zh": "，刷银行卡 {amount} 元（参考号 {reference}）",
        "en": ", {amount} yuan by bank card (reference {reference})",
    },
    "epay": {
        "zh": "，扫付款码 {amount} 元（单号 {reference}）",
        "en": ", {amount} yuan by payment code (order {reference})",
    },
    "waiver": {
        "zh": "，医院减免 {amount} 元（特批单 {reference}）",
        "en": ", {amount} yuan waived by the hospital (override {reference})",
    },
    "back": {
        "zh": "，退回 {amount} 元",
        "en": ", {amount} yuan of it given back",
    },
    "wallet": {
        "zh": "，其中从授权账户扣 {amount} 元（一脸付）",
        "en": ", {amount} yuan of it from the authorised account (one-scan payment)",
    },
    "sum": {"zh": "以上相加 {sum} = {amount} 元", "en": "Together {sum} = {amount} yuan"},
    "burden": {
        "zh": "【个人负担 {amount} 元，为什么】",
        "en": "[Yours to bear: {amount} yuan, and why]",
    },
    "own_share": {
        "zh": "医保内自付 {amount} 元：先行自付 {upfront} 元，起付线 {deductible} 元，"
        "按比例自付 {share} 元",
        "en": "Own share inside the insurance {amount} yuan: paid first {upfront} yuan, "
        "deductible {deductible} yuan, share of the rest {share} yuan",
    },
    "self_paid": {
        "zh": "医保外自费 {amount} 元：全自费 {own} 元，超限价 {over} 元",
        "en": "Self-paid outside the insurance {amount} yuan: not covered {own} yuan, "
        "over the price limit {over} yuan",
    },
    "reasons": {"zh": "【医保怎么算的】", "en": "[How the insurer counted]"},
    "reason": {"zh": "{place}. {sentence}（{clause}）", "en": "{place}. {sentence} ({clause})"},
}


def render_receipt(receipt: Receipt, language: Language) -> tuple[str, ...]:
    """The receipt as lines of text; its label, when it has one, begins every line."""
    label = receipt.label
    words = "" if label is None else f"{label.zh if language == 'zh' else label.en} "
    return tuple(words + line for line in _lines(receipt, language))


def _lines(receipt: Receipt, language: Language) -> Iterator[str]:
    yield from _head(receipt, language)
    yield _say("charges", language)
    for line in receipt.lines:
        yield _charge(line, language)
    yield _say("total", language, amount=_yuan(receipt.amounts.medfee_sumamt))
    yield _say("payers", language)
    yield from _payers(receipt, language)
    yield from _burden(receipt, language)
    yield _say("reasons", language)
    for place, reason in enumerate(receipt.reasons, start=1):
        sentence = reason.zh if language == "zh" else reason.en
        yield _say("reason", language, place=place, sentence=sentence, clause=reason.clause)


def _head(receipt: Receipt, language: Language) -> Iterator[str]:
    yield _say("title", language, name=receipt.institution_name)
    yield _say(
        "numbers",
        language,
        setl_id=receipt.setl_id,
        encounter_no=receipt.encounter_no,
        mdtrt_id=receipt.mdtrt_id,
    )
    yield _say("patient", language, name=receipt.masked_name, number=receipt.masked_id_number)
    time = receipt.settled_at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
    yield _say("place", language, dept=receipt.dept_name, doctor=receipt.dr_name, time=time)


def _charge(line: ReceiptLine, language: Language) -> str:
    split = line.split
    text = _say(
        "line",
        language,
        item=line.name_zh if language == "zh" else line.name_en,
        level=_class_of(split.chrgitm_lv, language),
        pric=_decimal(line.pric),
        cnt=_decimal(line.cnt),
        amount=_yuan(split.det_item_fee_sumamt),
    )
    if split.overlmt_amt:
        text += _say("over", language, amount=_yuan(split.overlmt_amt))
    if split.preselfpay_amt:
        text += _say("upfront", language, amount=_yuan(split.preselfpay_amt))
    return text


def _payers(receipt: Receipt, language: Language) -> Iterator[str]:
    paid = paid_by(receipt.amounts)
    for payer, amount in paid.items():
        text = _say("payer", language, payer=_PAYERS[payer][language], amount=_yuan(amount))
        yield text + _about(payer, receipt, language)
    parts = " + ".join(_yuan(amount) for amount in paid.values()) or _yuan(Fen(0))
    yield _say("sum", language, sum=parts, amount=_yuan(receipt.amounts.medfee_sumamt))


def paid_by(amounts: Amounts) -> dict[str, Fen]:
    """What each payer pays, by the field that says so; payers of nothing are left out."""
    shares = {name: getattr(amounts, name) for name in _PAYERS}
    return {name: amount for name, amount in shares.items() if amount}


def _about(payer: str, receipt: Receipt, language: Language) -> str:
    if payer == "acct_pay":
        return _say("balance", language, amount=_yuan(receipt.amounts.balc))
    if payer != "psn_cash_pay":
        return ""
    text = ""
    if receipt.wallet_fen:
        text += _say("wallet", language, amount=_yuan(receipt.wallet_fen))
    tenders = () if receipt.cash is None else receipt.cash.tenders
    text += "".join(_tender(tender, language) for tender in tenders)
    if receipt.back_fen:
        text += _say("back", language, amount=_yuan(receipt.back_fen))
    return text


def _tender(tender: Tender, language: Language) -> str:
    return _say(
        tender.kind.value,
        language,
        amount=_yuan(tender.amount_fen),
        tendered=_yuan(tender.tendered_fen),
        change=_yuan(tender.change_fen),
        reference=tender.reference,
    )


def _burden(receipt: Receipt, language: Language) -> Iterator[str]:
    burden = receipt.burden
    yield _say("burden", language, amount=_yuan(receipt.amounts.psn_part_amt))
    yield _say(
        "own_share",
        language,
        amount=_yuan(burden.own_share),
        upfront=_yuan(burden.preselfpay_amt),
        deductible=_yuan(burden.act_pay_dedc),
        share=_yuan(burden.scope_share),
    )
    yield _say(
        "self_paid",
        language,
        amount=_yuan(burden.self_paid),
        own=_yuan(burden.fulamt_ownpay_amt),
        over=_yuan(burden.overlmt_selfpay),
    )


def _say(key: str, language: Language, **words: object) -> str:
    return _TEXT[key][language].format(**words)


def _class_of(chrgitm_lv: str, language: Language) -> str:
    # The list is open: a region may have a class of its own.
    return _CLASSES.get(chrgitm_lv, {language: chrgitm_lv})[language]


def _yuan(amount: Fen) -> str:
    return format_yuan(amount)


def _decimal(number: Decimal) -> str:
    return f"{number.normalize():f}"
