"""What a person can be told, in a closed set of words without a name; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import PersonNo
from shualian.insurer.family.model import FamilyNews
from shualian.insurer.templates.model import PAYMENT_HELD, Told

MessageId = NewType("MessageId", str)
What = Told | FamilyNews
"""What the other subjects have to tell."""

SEEN_KEPT = timedelta(days=90)
"""How long a message stays after the person saw it: time to come back with it to a window."""
UNSEEN_KEPT = timedelta(days=730)
"""How long a message waits for a person who never looks; what it is about has passed by then."""
SEEN_AT_ONCE_MAX = 100
"""Messages that a channel marks in one request."""


class MessageCode(StrEnum):
    """Every message that there is."""

    TEMPLATE_REPLACED = "template_replaced"
    TEMPLATE_EXPIRED = "template_expired"
    FAMILY_CHILD_BOUND = "family_child_bound"
    FAMILY_BOUND_ON_DOCUMENTS = "family_bound_on_documents"
    FAMILY_PROPOSED = "family_proposed"
    FAMILY_UNBOUND = "family_unbound"


@dataclass(frozen=True, slots=True)
class Words:
    """The same in Chinese and English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of one person.

    Attributes:
        message_id: Its number.
        psn_no: Whose.
        code: What it says.
        told_at: When, UTC.
        seen_at: When the person first saw it, UTC.
    """

    message_id: MessageId
    psn_no: PersonNo
    code: MessageCode
    told_at: datetime
    seen_at: datetime | None = None


def words_of(code: MessageCode, *, phone: str) -> Words:
    """A message in words.

    Args:
        code: Which.
        phone: Of the insurer, for whoever did not want what happened.
    """
    words = _WORDS[code]
    known = {"phone": phone, "hours": int(PAYMENT_HELD.total_seconds()) // 3600}
    return Words(words.zh.format(**known), words.en.format(**known))


_NOT_YOU = "不是您的意思，请马上拨打 {phone} 或到窗口。"
_NOT_YOU_EN = " If you did not want this, call {phone} or go to a window at once."

_WORDS = {
    MessageCode.TEMPLATE_REPLACED: Words(
        "您登记的人脸在窗口凭证件更换了，新的人脸 {hours} 小时内不能付款。" + _NOT_YOU,
        "Your face template was replaced at a window on a document; the new face pays nothing "
        "for {hours} hours." + _NOT_YOU_EN,
    ),
    MessageCode.TEMPLATE_EXPIRED: Words(
        "您登记的人脸到期没有使用，或您的同意不再有效，已经删除。想再用，刷脸时重新同意就行。",
        "Your face template was deleted: it was not used for long, or your consent ended. "
        "To have one again, agree to it at a scan.",
    ),
    MessageCode.FAMILY_CHILD_BOUND: Words(
        "您孩子的另一位监护人在窗口办了代办绑定，可以替孩子办医保的事。" + _NOT_YOU,
        "The other guardian of your child was bound at a window and may act for the child."
        + _NOT_YOU_EN,
    ),
    MessageCode.FAMILY_BOUND_ON_DOCUMENTS: Words(
        "有亲属在窗口凭证件办了绑定，可以替您办医保的事。" + _NOT_YOU,
        "A relative was bound at a window on documents and may act for you." + _NOT_YOU_EN,
    ),
    MessageCode.FAMILY_PROPOSED: Words(
        "有亲属想替您办医保的事，等您本人同意。请在终端的“亲情账户”里看是谁；不同意就不用管。",
        "A relative asks to act for you and waits for your own agreement. See who it is under "
        "“family” at a terminal; to refuse, do nothing.",
    ),
    MessageCode.FAMILY_UNBOUND: Words(
        "一个亲情绑定解除了，可以在终端的“亲情账户”里看还剩哪些。有疑问请拨打 {phone}。",
        "A family binding has ended; see at a terminal under “family” which ones are left. "
        "For questions call {phone}.",
    ),
}
