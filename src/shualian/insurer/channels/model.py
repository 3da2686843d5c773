"""Channels, what one tells of an activation, and what is refused about it; pure."""

import json
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo, StaffId
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.insurer.consents.model import OWN_CONSENT_AGE
from shualian.insurer.persons.model import age_on
from shualian.terminals.enrolment.model import KeyId, key_id_of
from shualian.trust.audit.model import Code, Payload, Reference
from shualian.trust.signatures import PublicKey
from shualian.verification.model import ConsentPurpose

FACE_CHECK_AGE_MAX = timedelta(minutes=10)
"""A channel's face check may be so old when it asks for an activation."""
FACE_CHECK_AHEAD_MAX = timedelta(seconds=5)

_CHANNEL_CODE = re.compile(r"[a-z][a-z0-9_-]{1,29}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")


class FaceCheckMethod(StrEnum):
    """How a channel compared the live face; without a live face nothing is activated."""

    LIVE_WITH_REGISTRY = "live_with_registry"
    LIVE_WITH_DOCUMENT_CHIP = "live_with_document_chip"


@dataclass(frozen=True, slots=True)
class Channel:
    """A certified channel (激活渠道).

    Attributes:
        code: ``alipay``, ``wechat``, ``national_app``, ``bank_...``.
        name: For people.
        public_key: Verifies its requests.
        certified_at: UTC.
        withdrawn_at: UTC; from then on nothing of it is believed.
    """

    code: str
    name: str
    public_key: PublicKey
    certified_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def key_id(self) -> KeyId:
        """By which a request names the key."""
        return key_id_of(self.public_key)


@dataclass(frozen=True, slots=True)
class FaceCheck:
    """The channel's own face check; no picture and no template travels.

    Attributes:
        method: How.
        checked_at: When, UTC.
        reference: Of the check, at the channel, for a dispute.
    """

    method: FaceCheckMethod
    checked_at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class ActivationRequest:
    """What a channel asks.

    Attributes:
        request_no: The channel's own number; repeats carry the same one.
        id_number: Whose voucher.
        name: As the channel's account has it.
        face_check: Its own.
        consents: Ticked there, each on its own.
        notice_version: Of the notice that was shown there.
    """

    request_no: str
    id_number: IdNumber = field(repr=False)
    name: str = field(repr=False)
    face_check: FaceCheck
    consents: frozenset[ConsentPurpose]
    notice_version: str

    def canonical(self) -> bytes:
        """The request as one line, the same for the same content; for a keyed hash only."""
        members = {
            "certno": self.id_number.value,
            "psn_name": self.name,
            "method": self.face_check.method.value,
            "checked_at": self.face_check.checked_at.timestamp(),
            "reference": self.face_check.reference,
            "consents": sorted(self.consents),
            "notice_version": self.notice_version,
        }
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class ActivationAnswer:
    """What a channel is told.

    Attributes:
        ec_token: Of the voucher; a secret of person and insurer.
        at: When it was activated, UTC.
    """

    ec_token: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class KeptActivation:
    """A channel's request that was carried out, as it is kept.

    Attributes:
        body_digest: Keyed hash of :meth:`ActivationRequest.canonical`.
        psn_no: Whose voucher.
        at: UTC.
    """

    body_digest: bytes
    psn_no: PersonNo
    at: datetime


class ChannelChange(StrEnum):
    """What happened to a channel."""

    CERTIFIED = "certified"
    WITHDRAWN = "withdrawn"


class ChannelEvent(Payload, kind="insurer.channel"):
    """The audit's record of a change of a channel.

    Attributes:
        change: What.
        channel: Which.
        actor: Who decided.
        key: Name of its key.
    """

    change: ChannelChange
    channel: Code
    actor: StaffId
    key: Reference


_kind = KindsOf("insurer", helper=Helper.TECHNICIAN).kind

CHANNEL_NOT_CERTIFIED = _kind(
    "channel_not_certified",
    "没有认证过这个激活渠道",
    "No channel is certified with this key",
    "请先由医保局认证渠道和它的公钥",
    "Let the insurer certify the channel and its public key first",
)
CHANNEL_INVALID = _kind(
    "channel_invalid",
    "渠道信息不对",
    "This cannot be a channel",
    "请核对渠道编号、名称和公钥",
    "Compare code, name and public key",
)
CHANNEL_EXISTS = _kind(
    "channel_exists",
    "这个渠道或这把公钥已经登记过",
    "This channel or this key is certified already",
    "请先撤销原来的，再登记新的",
    "Withdraw the earlier one and certify under another code",
)
FACE_CHECK_STALE = _kind(
    "face_check_stale",
    "渠道的人脸核验太久了",
    "The channel's face check is too old or not in the past",
    "请在渠道里重新刷脸",
    "Let the person scan again at the channel",
    Helper.SELF,
)
FACE_CHECK_INVALID = _kind(
    "face_check_invalid",
    "渠道的人脸核验编号不对",
    "The reference of the channel's face check is not valid",
    "请检查渠道接口",
    "Look at the channel's interface",
)
ACTIVATION_NAME_DIFFERS = _kind(
    "activation_name_differs",
    "姓名和证件号码与参保信息不一致",
    "Name and ID number do not agree with the register",
    "请核对姓名和证件号码；有疑问请联系医保经办机构",
    "Compare name and number; ask the insurer if in doubt",
    Helper.INSURER,
)
REQUEST_DIFFERS = _kind(
    "channel_request_differs",
    "这个请求号已经用于别的内容",
    "This request number was used with another content",
    "请用新的请求号",
    "Use a new request number",
)
CHANNEL_UNDER_AGE = _kind(
    "channel_under_age",
    "未满 14 岁，需要监护人到窗口或在终端办理",
    "Under 14: a guardian must agree at a window or a terminal",
    "请监护人带户口簿到窗口办理",
    "Let a guardian bring the household register to a window",
    Helper.CLERK,
    Finality.FINAL,
)

REFUSALS = (
    CHANNEL_NOT_CERTIFIED,
    CHANNEL_INVALID,
    CHANNEL_EXISTS,
    FACE_CHECK_STALE,
    FACE_CHECK_INVALID,
    ACTIVATION_NAME_DIFFERS,
    REQUEST_DIFFERS,
    CHANNEL_UNDER_AGE,
)


def check_channel(channel: Channel) -> None:
    """Let a channel pass that can be certified.

    Raises:
        Refused: ``insurer.channel_invalid``.
    """
    if _CHANNEL_CODE.fullmatch(channel.code) is None:
        raise Refused(CHANNEL_INVALID, item="code")
    if not 1 <= len(channel.name) <= 60 or not channel.name.isprintable():
        raise Refused(CHANNEL_INVALID, item="name")


def check_face_check(check: FaceCheck, *, now: datetime) -> None:
    """Let a face check pass that was made just now.

    Raises:
        Refused: ``insurer.face_check_stale`` with its age, ``insurer.face_check_invalid``.
    """
    if _REFERENCE.fullmatch(check.reference) is None:
        raise Refused(FACE_CHECK_INVALID)
    age = now - check.checked_at
    if not -FACE_CHECK_AHEAD_MAX <= age <= FACE_CHECK_AGE_MAX:
        raise Refused(
            FACE_CHECK_STALE,
            age_s=round(age.total_seconds()),
            age_max_s=round(FACE_CHECK_AGE_MAX.total_seconds()),
        )


def check_age(id_number: IdNumber, *, today: date) -> None:
    """Let people of 14 and above pass: below, a guardian must agree, which a channel cannot show.

    Raises:
        Refused: ``insurer.channel_under_age``.
    """
    if age_on(id_number.birth_date, today) < OWN_CONSENT_AGE:
        raise Refused(CHANNEL_UNDER_AGE)
