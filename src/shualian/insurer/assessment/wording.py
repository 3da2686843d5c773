"""The assessment in Markdown, Chinese and English: sentences are fixed, numbers are facts."""

from collections.abc import Iterator, Mapping
from datetime import date

from shualian.core.mode import Mode
from shualian.core.money import Fen, format_yuan
from shualian.insurer.assessment.model import (
    KEPT_MONTHS,
    Accuracy,
    AssessedFacts,
    AttackRates,
    ComparisonRates,
    Configuration,
    Counts,
    GroupRates,
)
from shualian.insurer.notices.model import RegistryUse
from shualian.insurer.templates.model import FILING_WORKING_DAYS

_REGISTRY: Mapping[RegistryUse, tuple[str, str]] = {
    RegistryUse.ALWAYS: (
        "每次刷脸把一张现场照片、姓名和身份证号交公安人口信息比对，这是唯一的接收方。",
        "At every scan one picture, name and ID number go to the police registry for one "
        "comparison; it is the only recipient.",
    ),
    RegistryUse.RISK: (
        "有风险时把一张现场照片、姓名和身份证号交公安人口信息比对，这是唯一的接收方。",
        "Where there is a risk, one picture, name and ID number go to the police registry for one "
        "comparison; it is the only recipient.",
    ),
    RegistryUse.NEVER: (
        "没有设置公安人口信息：没有接收方，每次刷脸都按降级处理。",
        "No police registry is set: there is no recipient, and every scan is degraded.",
    ),
}


def render(facts: AssessedFacts, made_on: date) -> str:
    """The whole document.

    Args:
        facts: What it states.
        made_on: Day in China.
    """
    running, accuracy, counts = facts.configuration, facts.accuracy, facts.counts
    sections = (
        _head(running, made_on),
        _purposes(running),
        _data(running),
        _effects(accuracy),
        _risks(facts),
        _measures(running),
        _filing(counts),
        _foot(facts),
    )
    return "\n".join(line for section in sections for line in section)


def _both(zh: str, en: str) -> str:
    return f"- {zh}  \n  {en}"


def _title(zh: str, en: str) -> Iterator[str]:
    yield ""
    yield f"## {zh} / {en}"
    yield ""


def _head(running: Configuration, made_on: date) -> Iterator[str]:
    yield "# 人脸信息个人信息保护影响评估 / Impact assessment of face data"
    yield ""
    yield _both(f"评估日期：{made_on}。", f"Made on {made_on}.")
    yield _both(
        f"个人信息处理者：{running.handler}，电话 {running.phone}。",
        f"Handled by {running.handler}, telephone {running.phone}.",
    )
    if running.mode is Mode.SANDBOX:
        yield _both(
            "**这是演练环境，里面没有真实的人；不能作为正式评估。**",
            "**This is a sandbox without real people; it is no assessment of a real use.**",
        )
    yield _both(
        "数字来自正在运行的设置、校准文件和数据库；文字要由人核对，结论由评估人写。",
        "The numbers come from settings, calibration and database; the sentences must be checked "
        "and the conclusion written by people.",
    )


def _purposes(running: Configuration) -> Iterator[str]:
    yield from _title("一、目的、方式和必要性", "Purpose, method, necessity")
    yield _both(
        "目的：防止冒用医保，确认是本人办理；每个环节单独发起、单独授权。",
        "Purpose: that nobody uses another's insurance; each step is asked for on its own.",
    )
    yield _both(
        f"刷脸的环节（{len(running.scenes)} 个）：{'、'.join(running.scenes)}。",
        f"Scenes ({len(running.scenes)}): as listed.",
    )
    yield _both(
        f"分别同意的事项：{'、'.join(running.purposes)}；告知书版本 {running.notice_version}。",
        f"Agreed to one by one: {', '.join(running.purposes)}; notice {running.notice_version}.",
    )
    yield _both(
        "必要性：不刷脸也能办（医保卡、医保码、身份证），价格、排队、报销相同；"
        "每个场所是否需要摄像头，由使用单位另写理由。",
        "Necessity: everything works without a face (card, code, document) at the same price, "
        "queue and claim; whether a place needs a camera is for its operator to give reasons for.",
    )


def _data(running: Configuration) -> Iterator[str]:
    facts = running.facts
    yield from _title("二、数据、接收方和保存期限", "Data, recipients, retention")
    stored = ("保存现场照片。", "Pictures are stored.")
    gone = (
        "现场照片只在内存里，比对完就删除。",
        "Pictures are in memory only, until the decision.",
    )
    yield _both(*(stored if facts.frames_stored else gone))
    yield _both(
        f"人脸特征：{'单独同意后保存' if facts.templates_kept else '不保存'}，"
        f"连续 {facts.template_months} 个月不用就删除，备份 {facts.backup_days} 天内清除。",
        f"Templates: {'kept by separate consent' if facts.templates_kept else 'not kept'}, deleted "
        f"when unused for {facts.template_months} months, from backups within "
        f"{facts.backup_days} days.",
    )
    yield _both(
        f"使用记录（何时、何地、做什么，没有人脸）保存 {running.access_log_months} 个月；"
        f"看过的通知保存 {running.message_days} 天。",
        f"The access log (when, where, what for; nothing of a face) is kept for "
        f"{running.access_log_months} months, messages {running.message_days} days after seen.",
    )
    yield _both(
        "审计记录（编号、代码、时间）只增不删；同意和删除凭条长期保存作为凭据。",
        "Audit records (numbers, codes, moments) only grow; consents and receipts stay.",
    )
    yield _both(*_REGISTRY[facts.registry])
    yield _both("医院只得到授权号，得不到人脸。", "Hospitals get a proof number and never a face.")


def _effects(accuracy: Accuracy) -> Iterator[str]:
    yield from _title("三、对个人权益的影响：会错多少", "Effect on people: how often it errs")
    yield _both(
        f"校准数据：{accuracy.data}；路径 {accuracy.path_id}；"
        f"登记 {accuracy.frames_enrolled} 帧、现场 {accuracy.frames_probed} 帧。",
        f"Calibrated on: {accuracy.data}; path {accuracy.path_id}; {accuracy.frames_enrolled} "
        f"frame enrolled, {accuracy.frames_probed} probed.",
    )
    yield ""
    yield (
        "| 比对 comparison | 允许 FMR allowed | 95 % 上界 upper | FNMR | 阈值 threshold "
        "| 本地人群 population |"
    )
    yield "|---|---|---|---|---|---|"
    yield from map(_comparison, accuracy.comparisons)
    yield ""
    yield _both(
        f"不报姓名的查找最多比 {accuracy.people_max} 人，"
        f"认错人的机会不超过 {accuracy.fpir_max:g}。",
        f"A search without a claim compares at most {accuracy.people_max} people, so that the "
        f"chance to name a wrong one is at most {accuracy.fpir_max:g}.",
    )
    yield ""
    yield "| 人群 group | 人数 people | 不同人的对数 pairs | FMR | 95 % 上界 upper |"
    yield "|---|---|---|---|---|"
    yield from map(_group, accuracy.groups)
    yield ""
    yield "| 攻击 attack | 次数 presentations | 通过 APCER | 95 % 上界 upper | 来源 source |"
    yield "|---|---|---|---|---|"
    yield from map(_attack, accuracy.attacks)
    yield ""
    yield _both(
        f"真人被当成攻击：{accuracy.bpcer:.1%}（{accuracy.bona_fide} 次）。"
        f"以上按每次 {accuracy.frames_judged} 帧测得；模拟的攻击是算出来的，不是实拍；"
        "动作验证还能挡住多少没有测过。",
        f"Live people taken for an attack: {accuracy.bpcer:.1%} of {accuracy.bona_fide}. Measured "
        f"with {accuracy.frames_judged} frame each; simulated attacks are computed, not recorded; "
        "what the active challenge adds is not measured.",
    )


def _comparison(rates: ComparisonRates) -> str:
    proven = "已证明 proven" if rates.proven_for_population else "**未证明 not proven**"
    return (
        f"| {rates.what} | {rates.fmr_max:g} | {rates.fmr_upper95:.2g} | {rates.fnmr:.1%} "
        f"| {rates.threshold:g} | {proven} |"
    )


def _group(rates: GroupRates) -> str:
    fmr = "-" if rates.fmr is None else f"{rates.fmr:.2g}"
    return (
        f"| {rates.group} | {rates.people} | {rates.impostor_pairs} | {fmr} "
        f"| {rates.fmr_upper95:.2g} |"
    )


def _attack(rates: AttackRates) -> str:
    source = "模拟 simulated" if rates.simulated else "实拍 recorded"
    return (
        f"| {rates.attack} | {rates.presentations} | {rates.apcer:.1%} "
        f"| {rates.apcer_upper95:.1%} | {source} |"
    )


def _risks(facts: AssessedFacts) -> Iterator[str]:
    yield from _title("四、泄露等风险和可能的危害", "Risks and possible harm")
    yield _both(
        "人脸不能更换：特征、钥匙一起泄露会长期伤害本人。",
        "A face cannot be changed: if templates and keys leak together, the harm lasts.",
    )
    yield from _risks_of_errors(facts.accuracy)
    yield from _risks_of_configuration(facts.configuration)
    yield _both(
        "内存里的照片用完释放但不覆盖；钥匙在文件里，没有密码机，模板加密不用国密 SM4。",
        "Pictures in memory are freed, not overwritten; keys lie in files, without a hardware "
        "module and without SM4.",
    )


def _risks_of_errors(accuracy: Accuracy) -> Iterator[str]:
    if not all(each.proven_for_population for each in accuracy.comparisons):
        yield _both(
            "错误率没有在本地人群上证明，不同人群错误率不同。",
            "The error rates are not proven for the people served, and groups differ.",
        )
    worst = accuracy.worst_attack
    if worst is not None:
        yield _both(
            f"最容易通过的攻击：{worst.attack}，{worst.apcer:.1%} 通过被动检测。",
            f"The attack that passes most often: {worst.attack}, {worst.apcer:.1%} pass the "
            "passive score.",
        )


def _risks_of_configuration(running: Configuration) -> Iterator[str]:
    if running.facts.registry is not RegistryUse.ALWAYS:
        yield _both(
            "公安人口信息不是每次都比对。", "The police registry does not compare at every scan."
        )
    if running.facts.degraded_mode:
        limit = format_yuan(Fen(running.degraded_max_fen))
        yield _both(
            f"连不上公安人口信息时，人脸仍可办最多 {limit} 元。",
            f"While the registry cannot be reached, a face still settles up to {limit} yuan.",
        )
    if not running.second_place:
        yield _both(
            "审计检查点和数据库放在一起，删掉尾部看不出来。",
            "Audit checkpoints lie beside the database: a cut tail cannot be noticed.",
        )


def _measures(running: Configuration) -> Iterator[str]:
    yield from _title("五、保护措施", "Measures")
    limits = "、".join(
        f"{name} {format_yuan(Fen(limit))}" for name, limit in running.terminal_limits_fen.items()
    )
    yield _both(
        f"一次刷脸最多办的金额（元，按终端类别）：{limits}；人脸从不单独付款。",
        f"The most that one scan settles (yuan, by class of terminal): {limits}; the face alone "
        "never moves money.",
    )
    yield _both(
        "更换人脸要证件和两名工作人员，"
        f"之后 {running.payment_held_hours} 小时不能付款，并通知本人。",
        "A face is replaced on a document by two members of staff, pays nothing for "
        f"{running.payment_held_hours} hours, and the person is told.",
    )
    yield _both(
        f"抢救查找：每家医院每天最多 {running.emergency_searches_max} 次，"
        "两人发起，事后复核，本人可查。",
        f"Emergency searches: at most {running.emergency_searches_max} a day and hospital, by two "
        "people, reviewed, in the person's log.",
    )
    yield _both(
        f"撤回同意后立即清空 {len(running.stores_searched)} 处："
        f"{'、'.join(running.stores_searched)}，给凭条。",
        f"A withdrawal empties {len(running.stores_searched)} stores at once and gives a receipt: "
        f"{', '.join(running.stores_searched)}.",
    )
    yield _both(
        "特征变换加密、钥匙分开；每次使用进审计链；本人可查使用记录。",
        "Templates are transformed and sealed, keys kept apart; every use is chained in the audit; "
        "people read their own access log.",
    )


def _filing(counts: Counts) -> Iterator[str]:
    yield from _title("六、人数和备案", "People and filing")
    yield _both(
        f"保存人脸特征 {counts.with_template} 人；使用记录期限内刷脸核对过 {counts.compared} 人。",
        f"Templates of {counts.with_template} people; {counts.compared} people verified within the "
        "term of the access log.",
    )
    yield _both(
        f"达到 {counts.filing_people} 人起 {FILING_WORKING_DAYS} 个工作日内向省级网信部门备案。",
        f"From {counts.filing_people} people on, filing within {FILING_WORKING_DAYS} working days.",
    )
    if counts.reached_on is not None:
        yield _both(
            f"**{counts.reached_on} 达到，最迟 {counts.file_by} 备案**"
            "（按周一到周五算，请核对调休）。",
            f"**Reached on {counts.reached_on}: file by {counts.file_by}** (Mondays to Fridays; "
            "check holidays).",
        )


def _foot(facts: AssessedFacts) -> Iterator[str]:
    yield from _title("七、结论和保存", "Conclusion and keeping")
    yield _both("结论（评估人填写）：", "Conclusion (by the assessor):")
    yield _both(
        f"本评估至少保存 {KEPT_MONTHS} 个月；设置或校准有变就要重做。设置摘要 "
        f"`{facts.configuration_digest}`。",
        f"Kept for at least {KEPT_MONTHS} months; to be made again when settings or calibration "
        "change.",
    )
    yield ""
