"""What the stand-in of the police registry holds, decides and refuses; pure."""

import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import ceil

from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.names import mask_name
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.face.comparison import similarity
from shualian.face.model import Embedding, Hint
from shualian.gateway.police_registry.model import Verdict

STAND_IN_ZH = "演练用替身，不是公安库"
STAND_IN_EN = "Stand-in for exercises, not the police registry"
STAND_IN_HEADER = "x-shualian-stand-in"
"""Stands on every response."""
KEPT = timedelta(hours=24)
"""So long a person stays with photo, name and number; then all of it is deleted."""
PEOPLE_MAX = 1_000
NAME_CHARS_MAX = 50
FMR = 1e-3
"""The stand-in compares at the threshold that the calibration proves for this error rate."""

_SEQUENCES = range(1, 1_000)
_BIRTH_YEARS = range(1935, 2010)

_kind = KindsOf("sandbox", Helper.SELF).kind

NUMBER_NOT_FICTIONAL = _kind(
    "registry_number_not_fictional",
    "这里只能用虚构的身份证号（990000 开头）",
    "Only fictional ID numbers (region 990000) may be put in here",
    "请点“换一个虚构号码”",
    'Press "Another fictional number"',
)
NAME_INVALID = _kind(
    "registry_name_invalid",
    "姓名要有 1 到 50 个字",
    "A name has 1 to 50 characters",
    "请填一个虚构的姓名",
    "Type a fictional name",
)
PHOTO_POOR = _kind(
    "registry_photo_poor",
    "这张照片不够好",
    "This photo is not good enough",
    "请按提示换一张；想演练“照片不能用”，可以勾选“照片不好也放入”",
    'Take another one as hinted; to rehearse "no usable photo", tick "Put it in all the same"',
)
REGISTRY_FULL = _kind(
    "registry_full",
    "替身里的人已经满了",
    "The stand-in holds as many people as it may",
    "请先删除几个",
    "Delete some first",
)
PHOTO_NOT_FOUND = _kind(
    "registry_photo_not_found",
    "没有这张照片，可能已经到期删除",
    "There is no such photo; it may have been deleted when its time was over",
    "请刷新列表",
    "Load the list again",
)
CALLER_UNKNOWN = _kind(
    "registry_caller_unknown",
    "不认识这把密钥的平台",
    "No platform with this key is known here",
    "请先登记平台的公钥",
    "Make the platform's public key known first",
    Helper.TECHNICIAN,
)
REQUEST_REPLAYED = _kind(
    "registry_request_replayed",
    "这个请求已经收到过",
    "This request was received before",
    "重发时请重新签名",
    "Sign again to repeat it",
    Helper.TECHNICIAN,
)
REQUEST_ID_REUSED = _kind(
    "registry_request_id_reused",
    "同一个请求编号，内容却不同",
    "The same request id came with another content",
    "每次比对请用新的编号",
    "Use a new id for every comparison",
    Helper.TECHNICIAN,
)
BODY_INVALID = _kind(
    "registry_body_invalid",
    "请求的内容不对",
    "The content of the request is not valid",
    "请按接口说明检查请求",
    "Check the request against the OpenAPI document",
    Helper.TECHNICIAN,
)
PAGE_FOREIGN = _kind(
    "registry_page_foreign",
    "这个操作只能在替身自己的页面上做",
    "Only the stand-in's own page on this machine may do this",
    "请打开替身自己的地址",
    "Open the stand-in's own address",
)
SERVER_NOT_STARTED = _kind(
    "registry_not_started",
    "替身没能启动，端口可能被占用",
    "The stand-in did not start; its port may be taken",
    "请换一个端口",
    "Choose another port",
    Helper.TECHNICIAN,
    Finality.TEMPORARY,
)

REFUSALS = (
    NUMBER_NOT_FICTIONAL,
    NAME_INVALID,
    PHOTO_POOR,
    REGISTRY_FULL,
    PHOTO_NOT_FOUND,
    CALLER_UNKNOWN,
    REQUEST_REPLAYED,
    REQUEST_ID_REUSED,
    BODY_INVALID,
    PAGE_FOREIGN,
    SERVER_NOT_STARTED,
)


class FaultKind(StrEnum):
    """What goes wrong on purpose with comparisons; everything else of the stand-in goes on."""

    NONE = "none"
    BUSY = "busy"
    SLOW = "slow"
    CUT = "cut"
    UNREACHABLE = "unreachable"
    WRONG_SIGNATURE = "wrong_signature"
    OTHER_REQUEST = "other_request"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``delay_s`` counts for ``SLOW`` only."""

    kind: FaultKind = FaultKind.NONE
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence in two languages."""

    zh: str
    en: str


HINT_WORDS: dict[Hint, Words] = {
    Hint.NO_FACE: Words("没有看到脸，请正对镜头", "No face is seen. Face the camera"),
    Hint.SEVERAL_PEOPLE: Words("一次只能有一个人", "One person at a time"),
    Hint.TOO_DARK: Words("光线太暗，请面向亮处", "Too dark. Face the light"),
    Hint.TOO_BRIGHT: Words("光线太强，请侧开一点", "Too bright. Move aside a little"),
    Hint.BACK_LIT: Words("背后太亮，请转个方向", "Bright light behind you. Turn a little"),
    Hint.TOO_FAR: Words("脸太小，请靠近一点", "The face is too small. Come closer"),
    Hint.TOO_CLOSE: Words("太近了，请退后一点", "Too close. Step back a little"),
    Hint.OFF_CENTRE: Words("请把脸移到中间", "Move to the middle"),
    Hint.MASK: Words("请摘下口罩", "Please take off the mask"),
    Hint.SUNGLASSES: Words("请摘下墨镜", "Please take off the sunglasses"),
    Hint.GLARE: Words("眼镜反光，请稍微低头", "Glare on the glasses. Tilt your head down"),
    Hint.EYES_CLOSED: Words("请睁开眼睛", "Open your eyes"),
    Hint.TURN_FRONT: Words("请正对镜头", "Look straight ahead"),
    Hint.TILTED: Words("请把头摆正", "Hold your head upright"),
    Hint.MOVING: Words("请不要动", "Hold still"),
    Hint.HOLD_STILL: Words("照片可以用", "The photo can be used"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is worth as a registry photo.

    Attributes:
        hint: The gravest thing; ``HOLD_STILL`` when it can be used.
    """

    hint: Hint

    @property
    def usable(self) -> bool:
        """Whether it can be compared with."""
        return self.hint is Hint.HOLD_STILL

    @property
    def words(self) -> Words:
        """For the person at the page."""
        return HINT_WORDS[self.hint]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One fictional person as the registry holds them, opened; lives in memory only.

    Attributes:
        id_number: Fictional.
        name: As given.
        photo: JPEG of 640 x 480; none when the person was put in without one.
        template: Of the photo; none when it cannot be used.
        path_id: Under which the template was made.
    """

    id_number: IdNumber
    name: str = field(repr=False)
    photo: bytes | None = field(repr=False)
    template: Embedding | None = field(repr=False)
    path_id: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One person as the page shows them.

    Attributes:
        reference: Made up; says nothing of the person.
        masked_name: ``张*国``.
        masked_id_number: ``99**************18``.
        usable: Whether there is a photo that can be compared.
        hours_left: Begun hours until all is deleted, 0..24.
    """

    reference: str
    masked_name: str
    masked_id_number: str
    usable: bool
    hours_left: int


def listed(record: Record, *, reference: str, until: datetime, now: datetime) -> Listed:
    """A record with its name and number masked."""
    left = max(0, ceil((until - now) / timedelta(hours=1)))
    return Listed(
        reference=reference,
        masked_name=mask_name(record.name),
        masked_id_number=record.id_number.masked,
        usable=record.template is not None,
        hours_left=left,
    )


def clean_name(name: str) -> str:
    """A name in one form of writing (Unicode NFC), blanks trimmed.

    Raises:
        Refused: ``sandbox.registry_name_invalid``.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(cleaned) <= NAME_CHARS_MAX or not cleaned.isprintable():
        raise Refused(NAME_INVALID)
    return cleaned


def check_fictional(id_number: IdNumber) -> None:
    """Check that the number is nobody's.

    Raises:
        Refused: ``sandbox.registry_number_not_fictional``.
    """
    if not id_number.is_sandbox:
        raise Refused(NUMBER_NOT_FICTIONAL)


def fictional_number() -> str:
    """A new fictional number, by chance: region 990000, born 1935 to 2009."""
    born = date(secrets.choice(_BIRTH_YEARS), 1, 1) + timedelta(days=secrets.randbelow(365))
    body = f"{SANDBOX_REGION}{born:%Y%m%d}{secrets.choice(_SEQUENCES):03d}"
    return body + check_character(body)


def decide(
    record: Record | None, *, name: str, probe: Embedding | None, threshold: float
) -> Verdict:
    """The verdict on one question.

    Args:
        record: Of the number; none when nobody has it.
        name: As asked.
        probe: Of the live picture; none when no face is in it, which matches nobody.
        threshold: The least score that counts as a match.
    """
    if record is None:
        return Verdict.NOT_FOUND
    if unicodedata.normalize("NFC", name).strip() != record.name:
        return Verdict.NAME_NUMBER_MISMATCH
    if record.template is None:
        return Verdict.NO_USABLE_PHOTO
    if probe is None or similarity(probe, record.template) < threshold:
        return Verdict.NO_MATCH
    return Verdict.MATCH
