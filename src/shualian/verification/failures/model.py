"""Every reason why a scan does not work, as data: what the person is told, and who helps.

A refusal kind says what the system found; a :class:`ScanFailure` says it to the person in front of
the camera: what to do now, which way is open, who helps. Many refusals mean one failure, because a
person who stands there needs the remedy and not the mechanism. The rules of the words:

- plain, short, for somebody of 75 who hears badly; the remedy is always a thing that can be done;
- the face is never called wrong, nor is anybody suspected: not being recognised is an answer;
- an attack is not explained to the attacker, nor a rule that he could then avoid;
- no name, number, department or diagnosis is ever spoken aloud;
- money is not mentioned, except that a treatment without insurance is paid by the person first.

Sources: the table "Why a scan fails" of the field study (``cause`` names its rows), and the hints
of the front-end study.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from shualian.core.refusals import Finality, Helper


class Cause(StrEnum):
    """The counter of a failure: one for each kind of cause, so that a place can be improved."""

    LIGHT = "light"
    COVERED = "covered"
    GLASSES = "glasses"
    ANGLE = "angle"
    DISTANCE = "distance"
    SEVERAL_PEOPLE = "several_people"
    MOTION = "motion"
    EYES = "eyes"
    CHALLENGE = "challenge"
    NOT_LIVE = "not_live"
    PICTURE = "picture"
    NOT_RECOGNISED = "not_recognised"
    CAMERA = "camera"
    NETWORK = "network"
    TERMINAL = "terminal"
    NAME_OR_NUMBER = "name_or_number"
    REGISTRY_PHOTO = "registry_photo"
    REGISTRY_DOWN = "registry_down"
    INSURANCE = "insurance"
    VOUCHER = "voucher"
    CONSENT = "consent"
    RELATION = "relation"
    PIN = "pin"
    PAUSED = "paused"
    LIMIT = "limit"
    TIME = "time"
    ONCE = "once"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence that is spoken, recorded ahead.

    Attributes:
        clip: Stable name of the recording; one sentence has one.
        zh: The sentence.
    """

    clip: str
    zh: str


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """One reason why a scan does not work, as the person is told.

    Attributes:
        code: Stable, lower case; the member of the closed set.
        zh: What stands on the screen, in Chinese.
        en: The same in English.
        spoken: What is spoken.
        next_zh: The remedy, or the way that is open, in Chinese.
        next_en: The same in English.
        helper: Who can help.
        finality: Whether trying again can help; ``UNKNOWN`` when it is not known what happened.
        cause: Where it is counted.
    """

    code: str
    zh: str
    en: str
    spoken: Spoken
    next_zh: str
    next_en: str
    helper: Helper
    finality: Finality
    cause: Cause

    @property
    def clip(self) -> str:
        """Name of the recording."""
        return self.spoken.clip

    @property
    def counter(self) -> str:
        """Name under which it is counted."""
        return self.cause.value

    def as_json(self) -> dict[str, object]:
        """The failure as a JSON-ready mapping, in the form of a refusal's."""
        return {
            "code": self.code,
            "message": {"zh": self.zh, "en": self.en},
            "next": {"zh": self.next_zh, "en": self.next_en},
            "spoken": {"clip": self.clip, "zh": self.spoken.zh},
            "helper": self.helper.value,
            "finality": self.finality.value,
        }


def _failure(
    cause: Cause,
    code: str,
    screen: tuple[str, str],
    remedy: tuple[str, str],
    *,
    spoken: Spoken | str | None = None,
    helper: Helper = Helper.SELF,
    finality: Finality = Finality.TEMPORARY,
) -> ScanFailure:
    """One failure; what is spoken is what stands on the screen unless it is given."""
    if not isinstance(spoken, Spoken):
        spoken = Spoken(f"scan.{code}", spoken or screen[0])
    return ScanFailure(code, *screen, spoken, *remedy, helper, finality, cause)


_SAY_ANOTHER_WAY = Spoken("scan.another_way", "可以换别的方式办")
_SAY_AGAIN = Spoken("scan.again", "这次没拍好，请再试一次")
_SAY_SCAN_AGAIN = Spoken("scan.scan_again", "请重新刷一次")
_SAY_ANOTHER_MACHINE = Spoken("scan.another_machine", "请用旁边的机器，或者去窗口")
_SAY_STAFF = Spoken("scan.staff", "请到窗口，工作人员帮您办")
_ANOTHER_WAY = (
    "用医保卡、医保码或身份证，一样办",
    "The card, the e-voucher code or the ID card does the same",
)
_ANOTHER_MACHINE = (
    "请用旁边的机器，或去窗口；医保卡、医保码都行",
    "Use the next machine or a window; card and code work too",
)
_BEGIN_AGAIN = ("请点屏幕，重新刷脸", "Touch the screen and scan again")

NO_FACE = _failure(
    Cause.DISTANCE,
    "no_face",
    ("请站到屏幕前，脸对准框", "Stand in front of the screen, face in the oval"),
    ("站到地上的脚印上，看着屏幕", "Stand on the marked place and look at the screen"),
)
SEVERAL_PEOPLE = _failure(
    Cause.SEVERAL_PEOPLE,
    "several_people",
    ("请办理的人站中间，陪同的人往旁边让一让", "One person at a time, please"),
    ("一次一个人；陪同的人站到旁边", "Let those who came along stand aside"),
    spoken="请办理的人站中间",
)
TOO_DARK = _failure(
    Cause.LIGHT,
    "too_dark",
    ("光线太暗，请面向亮处", "Too dark. Please face the light"),
    ("转向亮的地方，屏幕也会变亮帮您照着", "Turn to the light; the screen lights up too"),
)
TOO_BRIGHT = _failure(
    Cause.LIGHT,
    "too_bright",
    ("光线太强，请侧开一点", "Too bright. Move aside a little"),
    ("往旁边走一步，别让灯直照着脸", "Take one step aside, out of the direct light"),
)
BACK_LIT = _failure(
    Cause.LIGHT,
    "back_lit",
    ("背后太亮，请转个方向站", "Bright light behind you. Turn a little"),
    ("别背对着灯或窗户站", "Do not stand with a lamp or a window behind you"),
)
TOO_FAR = _failure(
    Cause.DISTANCE,
    "too_far",
    ("请再靠近一点", "Come a little closer"),
    ("走近一步，让脸把框填满", "One step closer, until the face fills the oval"),
)
TOO_CLOSE = _failure(
    Cause.DISTANCE,
    "too_close",
    ("请稍微退后一点", "Step back a little"),
    ("退后半步，让整张脸进到框里", "Half a step back, until the whole face is in the oval"),
)
OFF_CENTRE = _failure(
    Cause.DISTANCE,
    "off_centre",
    ("请把脸移到框中间", "Move to the middle"),
    ("跟着屏幕上的箭头移一移", "Follow the arrow on the screen"),
)
COVERED = _failure(
    Cause.COVERED,
    "covered",
    ("脸被挡住了，请把手、头发或围巾移开", "Something covers your face"),
    ("露出整张脸；帽子压得低也请摘一下", "Show the whole face; take off a low hat too"),
    spoken="脸被挡住了",
)
MASK = _failure(
    Cause.COVERED,
    "mask",
    ("请摘下口罩", "Please take off your mask"),
    ("办完再戴上；不方便摘，用身份证办", "Put it on again after; or use the ID card instead"),
    spoken="请摘下口罩，办完再戴上",
)
SUNGLASSES = _failure(
    Cause.GLASSES,
    "sunglasses",
    ("请摘下墨镜", "Please take off sunglasses"),
    ("办完再戴上；普通眼镜不用摘", "Put them on again after; clear glasses can stay"),
)
GLARE = _failure(
    Cause.GLASSES,
    "glare",
    ("眼镜有点反光，请稍微低头", "Glare on your glasses. Tilt your head down"),
    ("低一点头，或把眼镜摘一下", "Tilt the head a little, or take the glasses off"),
    spoken="眼镜反光，请稍微低头",
)
EYES_CLOSED = _failure(
    Cause.EYES,
    "eyes_closed",
    ("请看着屏幕上方", "Look at the top of the screen"),
    ("眼睛看屏幕上方；不方便就用医保卡", "Look at the top of the screen, or use the card"),
)
TURN_FRONT = _failure(
    Cause.ANGLE,
    "turn_front",
    ("请正对屏幕", "Look straight ahead"),
    ("脸转正，眼睛看着屏幕", "Turn the face to the screen and look at it"),
)
TILTED = _failure(
    Cause.ANGLE,
    "tilted",
    ("请把头摆正", "Hold your head upright"),
    ("头别歪，看着屏幕", "Keep the head straight and look at the screen"),
)
MOVING = _failure(
    Cause.MOTION,
    "moving",
    ("请不要动，马上就好", "Hold still, it takes a moment"),
    ("站稳，停一两秒", "Stand still for a second or two"),
)
PICTURE_POOR = _failure(
    Cause.PICTURE,
    "picture_poor",
    ("这次没拍清楚，请再试一次", "The picture was not clear. Please try again"),
    ("看着屏幕，按提示站好再试一次", "Look at the screen and follow the hint"),
    spoken=_SAY_AGAIN,
)
NOT_LIVE = _failure(
    Cause.NOT_LIVE,
    "not_live",
    (
        "这次没拍好，请您本人站到屏幕前，再试一次",
        "That did not work. Please stand before the screen yourself and try again",
    ),
    ("再试一次；还不行，请到窗口办", "Try once more; then go to a window"),
    spoken=_SAY_AGAIN,
    helper=Helper.CLERK,
)
CHALLENGE_MISSED = _failure(
    Cause.CHALLENGE,
    "challenge_missed",
    ("刚才的动作没跟上，没关系，再来一次", "The movement was missed. Never mind, once more"),
    ("按屏幕上的箭头慢慢转头；做不了，换一种办法", "Turn slowly as shown, or choose another way"),
    spoken="没关系，再来一次",
)
ACTION_NEEDED = _failure(
    Cause.CHALLENGE,
    "action_needed",
    ("这件事要做个动作，确认是您本人", "This needs a small movement, to be sure that it is you"),
    ("输入身份证号，跟着提示慢慢转头；也可以去窗口", "Type the ID number and follow the prompts"),
    spoken="请跟着提示慢慢转头",
)
NUMBER_NEEDED = _failure(
    Cause.NOT_RECOGNISED,
    "number_needed",
    ("这件事要先输入身份证号，或出示身份证", "This needs your ID number or ID card first"),
    ("输入身份证号，再刷一次脸；窗口也能办", "Type the ID number and scan again, or a window"),
    spoken="请先输入身份证号",
)
NOT_CALLED = _failure(
    Cause.NOT_RECOGNISED,
    "not_called",
    ("这里还没有叫到号，请稍等", "Nobody has been called here yet"),
    ("等叫到您的号，或输入身份证号", "Wait for your number, or type the ID number"),
    spoken="还没叫到号，请稍等",
)
NOT_MATCHED = _failure(
    Cause.NOT_RECOGNISED,
    "not_matched",
    (
        "这次没认出来，不影响您看病。请再试一次，或输入身份证号",
        "Not recognised this time; your visit is not affected",
    ),
    ("再试一次，或输入身份证号，或用医保卡", "Try again, type the ID number, or use the card"),
    spoken="这次没认出来，请再试一次",
)
NOT_MATCHED_LAST = _failure(
    Cause.NOT_RECOGNISED,
    "not_matched_last",
    (
        "这次没认出来，不影响您看病。换一种办法就能办",
        "Not recognised this time; your visit is not affected. Another way works now",
    ),
    _ANOTHER_WAY,
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
DIGITS_NEEDED = _failure(
    Cause.NOT_RECOGNISED,
    "digits_needed",
    ("还要再核对一下，请输入身份证最后四位", "One more step: the last four digits of the ID"),
    ("最后四位，有 X 按 X；或用医保卡", "The last four, X for X; or use the card"),
    spoken="请输入身份证号码的最后四位",
)
NUMBER_ASKED = _failure(
    Cause.NOT_RECOGNISED,
    "number_asked",
    (
        "请输入身份证号再刷一次；还没开通的，现在就能开通",
        "Please type the ID number and scan again; if not set up yet, that is done right here",
    ),
    ("输入身份证号，或把身份证放上来；也可用医保卡", "Type the ID number, or use the ID card"),
    spoken="请输入身份证号，再刷一次",
)
NOT_ENROLLED = _failure(
    Cause.VOUCHER,
    "not_enrolled",
    (
        "您还没开通，输入身份证号，现在就能开通",
        "Not set up yet. Type your ID number to set it up now",
    ),
    ("输入身份证号就行；不想开通就用医保卡", "Type the ID number, or use the card"),
)
PHOTO_OLD = _failure(
    Cause.REGISTRY_PHOTO,
    "photo_old",
    (
        "登记的照片可能比较早了，可以换别的方式办。身份证照片请到派出所更新",
        "The registered photo may be old. Another way works too",
    ),
    ("今天用医保卡或身份证办；有空去派出所换照片", "Use card or ID today; renew the photo later"),
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
LOOKS_CHANGED = _failure(
    Cause.REGISTRY_PHOTO,
    "looks_changed",
    (
        "和登记的照片没核对上，不影响您看病。请再试一次，或到窗口核对",
        "It could not be compared with the registered photo; your visit is not affected",
    ),
    (
        "再试一次；窗口看身份证也能办。样子变了，可到派出所换照片",
        "Try again, or show the ID card at a window; the police can renew the photo",
    ),
    spoken="没核对上，请再试一次，或到窗口办",
    helper=Helper.CLERK,
)
NAME_OR_NUMBER = _failure(
    Cause.NAME_OR_NUMBER,
    "name_or_number",
    ("姓名和身份证号没对上，请核对一下", "Name and ID number do not agree; please compare"),
    (
        "对照身份证看一看；没输错，请到医保窗口更正",
        "Compare with the ID card; if it was typed right, the insurer's office corrects it",
    ),
    spoken="请核对姓名和号码",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
NUMBER_MISTYPED = _failure(
    Cause.NAME_OR_NUMBER,
    "number_mistyped",
    ("身份证号好像输错了，请再看一看", "The ID number seems mistyped; please look again"),
    ("对照身份证再输一次，或把身份证放上来", "Type it again from the card, or lay the card down"),
)
NOT_FOUND = _failure(
    Cause.NAME_OR_NUMBER,
    "not_found",
    ("没有查到您的参保信息，请核对号码", "No insurance was found under this number"),
    (
        "对照身份证看一看；参过保的，请问医保窗口",
        "Compare with the ID card; if insured, ask the insurer's office",
    ),
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
REGISTRY_NOT_FOUND = _failure(
    Cause.NAME_OR_NUMBER,
    "registry_not_found",
    ("公安那边没查到这个号码，请核对一下", "The police registry does not know this number"),
    (
        "对照身份证看一看；没输错，今天用医保卡办",
        "Compare with the ID card; if it was typed right, use the card today",
    ),
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
REGISTRY_DOWN = _failure(
    Cause.REGISTRY_DOWN,
    "registry_down",
    ("公安核对暂时连不上，这件事先换别的方式办", "The police registry does not answer just now"),
    _ANOTHER_WAY,
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.CLERK,
)
NOT_INSURED = _failure(
    Cause.INSURANCE,
    "not_insured",
    ("没有查到有效的参保，请到医保窗口问一问", "No insurance in force was found"),
    ("本次先按自费，补办后可退差额", "Pay first; the difference is paid back once it is mended"),
    spoken=_SAY_STAFF,
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
INSURANCE_PAUSED = _failure(
    Cause.INSURANCE,
    "insurance_paused",
    ("您的参保现在是暂停的", "Your insurance is paused just now"),
    (
        "本次先按自费，到医保窗口恢复后可退差额",
        "Pay first; the insurer's office can resume it and the difference is paid back",
    ),
    spoken=_SAY_STAFF,
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
ARREARS = _failure(
    Cause.INSURANCE,
    "arrears",
    ("您的参保缴费还没到账", "A contribution to your insurance has not arrived yet"),
    (
        "本次先按自费，补缴后可退差额；医保窗口能查",
        "Pay first; once the contribution is paid the difference is paid back",
    ),
    spoken=_SAY_STAFF,
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
NOT_SYNCHRONISED = _failure(
    Cause.INSURANCE,
    "not_synchronised",
    ("您的参保信息还在路上，一般一到三个工作日", "Your insurance data is still on its way"),
    (
        "跨省的最多七天。本次先按自费，到了可退差额",
        "1-3 working days, across provinces up to 7. Pay first; the difference is paid back",
    ),
    spoken=_SAY_STAFF,
    helper=Helper.INSURER,
)
NOT_ACTIVATED = _failure(
    Cause.VOUCHER,
    "not_activated",
    ("医保码还没开通，现在就能开通", "The e-voucher is not active yet; it can be set up now"),
    ("输入身份证号，再刷一次脸就好", "Type the ID number and scan once more"),
    spoken="还没开通，现在就能开通",
)
DORMANT = _failure(
    Cause.VOUCHER,
    "dormant",
    ("医保码很久没用了，在这里再核对一次就能用", "Not used for long; check once more here"),
    ("输入身份证号，再刷一次脸就好", "Type the ID number and scan once more"),
    spoken="很久没用了，再核对一次就能用",
)
FROZEN = _failure(
    Cause.VOUCHER,
    "frozen",
    ("医保码现在是冻结的，要先解冻", "The e-voucher is frozen; it must be released first"),
    ("自己冻结的在终端刷脸解冻，别的到医保窗口", "Scan to release your own; else ask the insurer"),
    spoken=_SAY_STAFF,
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
CLOSED = _failure(
    Cause.VOUCHER,
    "closed",
    ("医保码已经注销", "The e-voucher was closed"),
    ("用医保卡或身份证办；有疑问请到医保窗口", "Use the card; for questions ask the insurer"),
    spoken=_SAY_STAFF,
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
IN_USE_ELSEWHERE = _failure(
    Cause.VOUCHER,
    "in_use_elsewhere",
    ("医保码正在别处使用，请稍等", "The e-voucher is in use elsewhere; please wait"),
    (
        "等一分钟再试；不是您在用，请马上告诉窗口",
        "Wait a minute; if nobody of yours uses it, tell a window",
    ),
    spoken="请稍等，再试一次",
    helper=Helper.CLERK,
)
CODE_SPENT = _failure(
    Cause.VOUCHER,
    "code_spent",
    ("这个码已经过时或用过了，请刷新一下", "This code is used or too old; show a new one"),
    ("在手机上刷新医保码再扫，或用医保卡", "Refresh the code on the phone, or use the card"),
    spoken="请刷新医保码，再扫一次",
)
CONSENT_NEEDED = _failure(
    Cause.CONSENT,
    "consent_needed",
    ("刷脸前请先看说明，同意了再刷", "Please read the notice first and agree, then scan"),
    ("点「同意刷脸」，或选「不刷脸，用别的方式」", "Agree, or choose another way"),
    spoken="刷脸前请看一看说明，也可以听一听",
)
CONSENT_WITHDRAWN = _failure(
    Cause.CONSENT,
    "consent_withdrawn",
    ("您已经停用刷脸，人脸信息也删掉了", "You ended the use of your face; it was deleted"),
    ("用医保卡、医保码或身份证；想再用，重新同意就行", "Use the card; agree anew to scan again"),
    spoken=_SAY_ANOTHER_WAY,
    finality=Finality.FINAL,
)
GUARDIAN_NEEDED = _failure(
    Cause.CONSENT,
    "guardian_needed",
    ("不满十四岁，要监护人来同意", "Under 14: a guardian has to agree"),
    ("请家长带证件到窗口；今天用医保卡也能办", "A guardian comes to a window; the card works"),
    spoken="要监护人来同意",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
RELATION = _failure(
    Cause.RELATION,
    "relation",
    ("还没有绑定给这位家人办", "This family member is not bound to you yet"),
    ("请本人来刷脸，或带证件到窗口绑定", "The person scans, or bring documents to a window"),
    spoken=_SAY_STAFF,
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
PIN_WRONG = _failure(
    Cause.PIN,
    "pin_wrong",
    ("密码没对上，请再输一次", "The PIN did not fit; please type it again"),
    ("忘了密码，可在本机刷脸重设，或用医保卡", "Forgotten? Reset it here, or use the card"),
)
PIN_MISSING = _failure(
    Cause.PIN,
    "pin_missing",
    ("还要再核对一样：密码或身份证", "One more thing is needed: the PIN or the ID card"),
    (
        "输入密码，或出示身份证，或等叫到名字",
        "Enter the PIN, show the ID card, or wait for the call",
    ),
    spoken="请输入密码，或者出示身份证",
    helper=Helper.CLERK,
)
PIN_LOCKED = _failure(
    Cause.PAUSED,
    "pin_locked",
    ("密码试的次数多了，先停用了", "The PIN was tried too often and rests now"),
    ("在本机刷脸重设密码，或到窗口；医保卡照常用", "Reset it here by face, or go to a window"),
    spoken=_SAY_STAFF,
    helper=Helper.CLERK,
)
NUMBER_PAUSED = _failure(
    Cause.PAUSED,
    "number_paused",
    ("这个号码试的次数多了，刷脸先歇一会儿", "This number was tried often; the face rests a while"),
    (
        "现在就能办：医保卡、医保码，或出示身份证再刷脸，也可以去窗口",
        "Open now: card, e-voucher code, ID card together with the face, or a window",
    ),
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.CLERK,
)
TERMINAL_PAUSED = _failure(
    Cause.PAUSED,
    "terminal_paused",
    ("这台机器刷脸先歇一会儿", "The face rests for a while at this machine"),
    (
        "现在就能办：医保卡、医保码、身份证，或用旁边的机器，也可以去窗口",
        "Open now: card, e-voucher code or ID card, another machine, or a window",
    ),
    spoken=_SAY_ANOTHER_MACHINE,
    helper=Helper.CLERK,
)
OVER_LIMIT = _failure(
    Cause.LIMIT,
    "over_limit",
    ("这一笔超过了在这里刷脸可以办的上限", "This is above what a face may do here"),
    ("用医保卡加密码，或到窗口办", "Use the card with its PIN, or go to a window"),
    spoken=_SAY_STAFF,
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
PAYMENT_HELD = _failure(
    Cause.LIMIT,
    "payment_held",
    (
        "您刚换过人脸照片，24 小时内先不刷脸付款",
        "Your face was renewed; pay otherwise for 24 hours",
    ),
    ("这一天用医保卡或医保码付；别的照常刷脸", "Pay by card or code today; all else works"),
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.CLERK,
)
TIME_OVER = _failure(
    Cause.TIME,
    "timeout",
    ("刚才没来得及，要再试一次吗？", "There was not enough time. Try again?"),
    ("不着急，再试一次；也可以用身份证", "No hurry, try again; the ID card works too"),
)
BEGIN_AGAIN = _failure(
    Cause.TIME,
    "begin_again",
    ("这次刷脸已经结束，请重新开始", "This scan is over; please begin again"),
    _BEGIN_AGAIN,
    spoken=_SAY_SCAN_AGAIN,
)
CONFIRM_AGAIN = _failure(
    Cause.ONCE,
    "confirm_again",
    ("这次确认不是给这件事的，请您再刷一次", "The confirmation was for something else; scan again"),
    ("看清屏幕上的内容，再刷脸确认一次", "Read the screen and confirm with one more scan"),
    spoken=_SAY_SCAN_AGAIN,
)
DONE_BEFORE = _failure(
    Cause.ONCE,
    "done_before",
    ("这件事已经办过，不用再刷", "This was done already; no need to scan again"),
    ("请到窗口查一下原来的结果", "Ask a window for the earlier result"),
    spoken="这件事已经办过",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
WAIT = _failure(
    Cause.SYSTEM,
    "wait",
    ("正在识别，请稍等", "It is being looked at; please wait"),
    ("请等一等，不用再点", "Wait for the result; no need to touch again"),
    spoken="请稍等",
)
BUSY = _failure(
    Cause.SYSTEM,
    "busy",
    ("系统正忙，请稍等", "Busy. Please wait"),
    ("会自己再试；着急就用医保卡", "It tries again by itself; the card works meanwhile"),
)
NETWORK = _failure(
    Cause.NETWORK,
    "network",
    ("网络不通，正在重新连接", "Connection lost. Reconnecting"),
    ("会自己再试；还不通，请用旁边的机器或去窗口", "It tries again; else the next machine"),
    spoken="网络不通，请稍等",
)
NO_CAMERA = _failure(
    Cause.CAMERA,
    "no_camera",
    ("摄像头打不开，请用身份证办理或找工作人员", "Camera did not start"),
    _ANOTHER_MACHINE,
    helper=Helper.TECHNICIAN,
)
LENS_DIRTY = _failure(
    Cause.CAMERA,
    "lens_dirty",
    ("镜头有点花，请工作人员擦一下镜头", "The lens is not clean; staff will wipe it"),
    _ANOTHER_MACHINE,
    spoken=_SAY_ANOTHER_MACHINE,
    helper=Helper.TECHNICIAN,
)
TERMINAL_OUTDATED = _failure(
    Cause.TERMINAL,
    "terminal_outdated",
    ("这台机器要升级，先用旁边的", "This machine needs an update; use the next one"),
    _ANOTHER_MACHINE,
    spoken=_SAY_ANOTHER_MACHINE,
    helper=Helper.TECHNICIAN,
)
TERMINAL_NOT_CERTIFIED = _failure(
    Cause.TERMINAL,
    "terminal_not_certified",
    ("这台机器还不能刷脸办医保，请用旁边的", "This machine may not take faces; use the next one"),
    _ANOTHER_MACHINE,
    spoken=_SAY_ANOTHER_MACHINE,
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
TERMINAL_NOT_FOR_THIS = _failure(
    Cause.TERMINAL,
    "terminal_not_for_this",
    ("这台机器办不了这件事", "This machine cannot do this"),
    _ANOTHER_MACHINE,
    spoken=_SAY_ANOTHER_MACHINE,
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
TERMINAL_UNUSABLE = _failure(
    Cause.TERMINAL,
    "terminal_unusable",
    (
        "这台机器暂时不能用，请用旁边的机器或去窗口",
        "This machine cannot be used now; use the next one or a window",
    ),
    _ANOTHER_MACHINE,
    spoken=_SAY_ANOTHER_MACHINE,
    helper=Helper.TECHNICIAN,
)
INSURER_DOWN = _failure(
    Cause.SYSTEM,
    "insurer_down",
    ("医保系统暂时连不上", "The insurer's system does not answer just now"),
    ("请稍等再试；窗口知道现在还能怎么办", "Wait and try again; a window knows the open ways"),
    spoken="医保系统暂时连不上，请稍等",
    helper=Helper.CLERK,
)
NOT_KNOWN = _failure(
    Cause.SYSTEM,
    "not_known",
    ("还没收到结果，请先别重复办", "No result has come yet; please do not repeat it"),
    ("请等一等，或到窗口查询", "Wait, or ask at a window"),
    spoken="还没收到结果，请稍等",
    helper=Helper.CLERK,
    finality=Finality.UNKNOWN,
)
SYSTEM = _failure(
    Cause.SYSTEM,
    "system",
    ("这次没有办成，请换别的方式办", "That did not work; please use another way"),
    ("用医保卡、医保码或身份证；窗口也能办", "Use the card, the code or the ID card, or a window"),
    spoken=_SAY_ANOTHER_WAY,
    helper=Helper.TECHNICIAN,
)

FAILURES: Mapping[str, ScanFailure] = MappingProxyType(
    {each.code: each for each in tuple(globals().values()) if isinstance(each, ScanFailure)}
)
"""The closed set, by code."""
