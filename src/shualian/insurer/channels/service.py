"""Use cases of channels: certify one, believe a signed request, activate a voucher."""

import hmac
from collections.abc import Callable

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.channels import store
from shualian.insurer.channels.model import (
    ACTIVATION_NAME_DIFFERS,
    CHANNEL_EXISTS,
    CHANNEL_NOT_CERTIFIED,
    REQUEST_DIFFERS,
    ActivationAnswer,
    ActivationRequest,
    Channel,
    ChannelChange,
    ChannelEvent,
    KeptActivation,
    check_age,
    check_channel,
    check_face_check,
)
from shualian.insurer.channels.ports import ConsentBook, PersonSealer, Register, VoucherBook
from shualian.insurer.consents import model as consents
from shualian.insurer.persons.model import PERSON_NOT_FOUND, Insured
from shualian.insurer.vouchers.model import ByChannel
from shualian.terminals.model import InsurerStaff
from shualian.terminals.requests.model import (
    FreshnessLimits,
    SignedRequest,
    check_nonce,
    parse_signature_headers,
    verify_request,
)
from shualian.terminals.requests.ports import Nonces
from shualian.trust.audit.model import Code, Reference
from shualian.trust.audit.service import record
from shualian.trust.signatures import PublicKey
from shualian.verification.model import ConsentPurpose

_REQUEST = "insurer.channel.request"


class Channels:
    """Which channels are certified, and the door for their signed requests."""

    def __init__(
        self, *, database: Database, clock: Clock, nonces: Nonces, limits: FreshnessLimits
    ) -> None:
        """Describe the door.

        Args:
            database: Holds the channels and the audit.
            clock: For freshness.
            nonces: Of channels' requests; in memory for one process, shared for several.
            limits: How old and how early a signature may be.
        """
        self._database = database
        self._clock = clock
        self._nonces = nonces
        self._limits = limits

    def certify(
        self, *, actor: InsurerStaff, code: str, name: str, public_key: PublicKey
    ) -> Channel:
        """Believe a channel from now on.

        Raises:
            Refused: ``insurer.channel_invalid``, ``insurer.channel_exists``.
        """
        made = Channel(code, name, public_key, self._clock.now())
        check_channel(made)

        def work(connection: Connection) -> None:
            if store.taken(connection, code, made.key_id):
                raise Refused(CHANNEL_EXISTS)
            store.add(connection, made)
            self._record(connection, ChannelChange.CERTIFIED, made, actor)

        self._database.write(work)
        return made

    def withdraw(self, *, actor: InsurerStaff, code: str) -> None:
        """Believe a channel no longer; what it activated stays; again changes nothing.

        Raises:
            Refused: ``insurer.channel_not_certified``.
        """

        def work(connection: Connection) -> None:
            found = store.by_code(connection, code)
            if found is None:
                raise Refused(CHANNEL_NOT_CERTIFIED)
            if found.withdrawn_at is None:
                store.withdraw(connection, code, at=self._clock.now())
                self._record(connection, ChannelChange.WITHDRAWN, found, actor)

        self._database.write(work)

    def channels(self) -> list[Channel]:
        """Every channel, withdrawn ones too."""
        return self._database.read(store.everything)

    def verify(self, request: SignedRequest) -> Channel:
        """Find out which channel signed exactly this request just now.

        Raises:
            Refused: Those of :func:`parse_signature_headers` and :func:`verify_request`,
                ``insurer.channel_not_certified``, ``terminals.nonce_replayed``,
                ``terminals.signed_before_start``, ``terminals.too_many_requests``.
        """
        claimed = parse_signature_headers(
            signature_input=request.signature_input,
            signature=request.signature,
            content_digest=request.content_digest,
        )
        found = self._database.read(lambda connection: store.by_key(connection, claimed.key_id))
        if found is None or found.withdrawn_at is not None:
            raise Refused(CHANNEL_NOT_CERTIFIED)
        now = self._clock.now()
        verify_request(
            claimed,
            method=request.method,
            target_uri=request.target_uri,
            body=request.body,
            expected_key=found.public_key,
            now=now,
            limits=self._limits,
        )
        # After the signature: nobody else can use up a channel's nonces.
        use = self._nonces.use(claimed.key_id, claimed.nonce, created=claimed.created, now=now)
        check_nonce(use)
        return found

    def _record(
        self, connection: Connection, change: ChannelChange, channel: Channel, actor: InsurerStaff
    ) -> None:
        event = ChannelEvent(
            change=change,
            channel=Code(channel.code),
            actor=actor.staff,
            key=Reference(channel.key_id),
        )
        record(connection, event, at=self._clock.now())


class ChannelActivations:
    """Activations that certified channels ask for: voucher and consents together, or neither.

    Proven: a certified channel says that it checked this person's live face just now and what was
    ticked there. Not proven: that it did. No template travels: the first scan at a terminal is
    decided by the police registry.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sealer: PersonSealer,
        register: Register,
        vouchers: VoucherBook,
        book: ConsentBook,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._register = register
        self._vouchers = vouchers
        self._book = book

    def activate(self, channel: Channel, request: ActivationRequest) -> ActivationAnswer:
        """Activate a person's voucher; a repeat with the same number and body answers the same.

        Args:
            channel: Whose request was verified.
            request: What it asks.

        Raises:
            Refused: ``insurer.channel_request_differs``, ``face_check_stale``,
                ``face_check_invalid``, ``person_not_found``, ``activation_name_differs``,
                ``channel_under_age``, ``voucher_frozen``, ``voucher_closed``, or that a consent
                cannot be given.
        """
        digest = self._sealer.keyed_hash(request.canonical(), purpose=_REQUEST)
        repeated = self._database.read(
            lambda connection: self._repeated(connection, channel, request, digest)
        )
        # Before the face check is looked at: a repeat is older than the first one.
        if repeated is not None:
            return repeated
        now = self._clock.now()
        check_face_check(request.face_check, now=now)
        person = self._person(request)
        agree = self._agreement(channel, request, person)
        evidence = ByChannel(channel.code, request.face_check.reference)

        def work(connection: Connection) -> ActivationAnswer:
            meanwhile = self._repeated(connection, channel, request, digest)
            if meanwhile is not None:
                return meanwhile
            token = self._vouchers.channel_activates_in(
                connection, person.psn_no, region=person.region, evidence=evidence, at=now
            )
            agree(connection)
            kept = KeptActivation(digest, person.psn_no, now)
            store.keep_activation(connection, channel.code, request.request_no, kept)
            return ActivationAnswer(token, now)

        return self._database.write(work)

    def activated(self, channel: Channel, psn_no: PersonNo) -> bool:
        """Whether a person ever activated through this channel."""
        return self._database.read(
            lambda connection: store.activated(connection, channel.code, psn_no)
        )

    def _repeated(
        self, connection: Connection, channel: Channel, request: ActivationRequest, digest: bytes
    ) -> ActivationAnswer | None:
        kept = store.activation_of(connection, channel.code, request.request_no)
        if kept is None:
            return None
        if not hmac.compare_digest(kept.body_digest, digest):
            raise Refused(REQUEST_DIFFERS)
        return ActivationAnswer(self._vouchers.token_in(connection, kept.psn_no), kept.at)

    def _person(self, request: ActivationRequest) -> Insured:
        person = self._register.find_by_id_number(request.id_number)
        if person is None:
            raise Refused(PERSON_NOT_FOUND)
        if not hmac.compare_digest(person.name.encode(), request.name.strip().encode()):
            raise Refused(ACTIVATION_NAME_DIFFERS)
        check_age(request.id_number, today=business_date(self._clock.now()))
        return person

    def _agreement(
        self, channel: Channel, request: ActivationRequest, person: Insured
    ) -> "_Agreement":
        # The comparison is agreed to before each scan, not once and for all at a channel.
        kept = request.consents - {ConsentPurpose.COMPARISON}
        if not kept:
            return _nothing
        return self._book.give_inside(
            person.psn_no,
            sorted(kept),
            notice_version=request.notice_version,
            at=request.face_check.checked_at,
            given_by=consents.ByPerson(),
            channel=consents.Channel(
                consents.ChannelKind.PARTNER, partner=Reference(channel.code.upper())
            ),
        )


_Agreement = Callable[[Connection], object]


def _nothing(_connection: Connection) -> None:
    """Nothing was ticked that is kept."""
