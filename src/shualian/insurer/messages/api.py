"""The inbox over HTTP: read by the person at a terminal, pulled by the person's channel."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.channels import api as channels_api
from shualian.insurer.channels.service import Channels
from shualian.insurer.messages.model import SEEN_AT_ONCE_MAX, Message, MessageCode, MessageId
from shualian.insurer.messages.ports import (
    ChannelBook,
    Confirmations,
    Guardians,
    People,
    VoucherHolders,
)
from shualian.insurer.messages.service import Messages
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.insurer.vouchers.model import VOUCHER_NOT_ACTIVATED
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.service import TerminalServices
from shualian.verification.model import Scene

TERMINAL_PATH = "/terminal/v1/messages"
"""POST :class:`ReadBody`, signed, with the person's own proof; answers :class:`InboxAnswer`."""
CHANNEL_PATH = "/channel/v1/messages"
"""POST :class:`PullBody`, signed by the channel; answers :class:`InboxAnswer`."""
READ_USE = "messages.read"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_IdNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{17}[0-9Xx]$")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ReadBody(_Body):
    """Show the messages of the person who scanned; with ``child_number`` those of their child."""

    claim: ClaimBody
    auth_no: _Text = Field(repr=False)
    intent_id: _Text
    child_number: _IdNumber | None = Field(default=None, repr=False)


class PullBody(_Body):
    """Whose messages, and which of them the person has opened in the application."""

    ec_token: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(repr=False)
    seen: Annotated[list[_Number], Field(max_length=SEEN_AT_ONCE_MAX)] = []


class MessageAnswer(BaseModel):
    """One message, with its words."""

    message_id: str
    code: MessageCode
    told_at: datetime
    seen_at: datetime | None
    zh: str
    en: str


class InboxAnswer(BaseModel):
    """Every message of a person, the newest first."""

    messages: list[MessageAnswer]


def terminal_routes(
    terminals: TerminalServices,
    messages: Messages,
    confirmations: Confirmations,
    *,
    guardians: Guardians,
    people: People,
    clock: Clock,
    origin: str,
) -> APIRouter:
    """What a person reads at a terminal.

    Args:
        terminals: Verify the request.
        messages: The inbox.
        confirmations: Redeems the person's proof.
        guardians: Know whose child it is: a small child reads nothing, so a guardian does.
        people: Finds a child by its number.
        clock: For the check of a typed number.
        origin: The listener's canonical origin.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)

    def child(number: str, guardian: PersonNo) -> PersonNo:
        found = people.by_number(parse_id_number(number, today=business_date(clock.now())))
        if found is None:
            raise Refused(PERSON_NOT_FOUND)
        guardians.check_may_see(found, by=guardians.as_guardian(found, guardian))
        return found

    @routes.post(TERMINAL_PATH)
    def read(body: ReadBody, sender: terminals_api.Verified, response: Response) -> InboxAnswer:
        """The person's messages; from now on they count as seen."""
        scene = Scene.INSURED_SERVICES.value
        terminals.requests.check_business(sender, scene=scene, claim=body.claim.claim())
        response.headers["Cache-Control"] = "no-store"
        person = confirmations.confirmed(
            AuthNo(body.auth_no),
            terminal=sender.terminal,
            intent_id=IntentId(body.intent_id),
            use=READ_USE,
        )
        number, subject = body.child_number, person.subject
        whose = subject if number is None else child(number, subject)
        return _answer(messages, messages.read(whose))

    return routes


def channel_routes(
    channels: Channels,
    messages: Messages,
    vouchers: VoucherHolders,
    book: ChannelBook,
    *,
    origin: str,
) -> APIRouter:
    """What a channel fetches for a person who activated through it and is signed in there.

    Args:
        channels: Verify the request.
        messages: The inbox.
        vouchers: Find whose token it is.
        book: Knows who activated through which channel.
        origin: Canonical origin of the listener, which channels sign.
    """
    routes = channels_api.signed_routes(channels, origin=origin)

    @routes.post(CHANNEL_PATH)
    def pull(body: PullBody, channel: channels_api.Verified, response: Response) -> InboxAnswer:
        """The person's messages, after those that were opened are marked as seen."""
        response.headers["Cache-Control"] = "no-store"
        psn_no = vouchers.by_ec_token(body.ec_token)
        if not book.activated(channel, psn_no):
            # A channel learns nothing of people who went through another one.
            raise Refused(VOUCHER_NOT_ACTIVATED)
        seen = [MessageId(each) for each in body.seen]
        return _answer(messages, messages.pulled(psn_no, seen=seen))

    return routes


def _answer(messages: Messages, found: Sequence[Message]) -> InboxAnswer:
    return InboxAnswer(messages=[_message(messages, each) for each in found])


def _message(messages: Messages, message: Message) -> MessageAnswer:
    words = messages.words(message.code)
    return MessageAnswer(
        message_id=message.message_id,
        code=message.code,
        told_at=message.told_at,
        seen_at=message.seen_at,
        zh=words.zh,
        en=words.en,
    )
