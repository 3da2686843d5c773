"""Use cases of requests: let a network in, verify a request, check what it is for."""

from collections.abc import Iterator
from contextlib import contextmanager

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.model import Terminal
from shualian.terminals.ports import RefusalCounter
from shualian.terminals.register.model import (
    Network,
    PlaceClaim,
    check_model,
    check_network,
    check_place,
    check_scene,
    check_software,
)
from shualian.terminals.requests import store
from shualian.terminals.requests.model import (
    KEY_UNKNOWN,
    SIGNATURE_WRONG,
    ClaimedSignature,
    FreshnessLimits,
    KnownKey,
    RequestPurpose,
    SignedRequest,
    VerifiedRequest,
    check_active,
    check_nonce,
    check_not_ended,
    counter_name,
    parse_signature_headers,
    verify_request,
)
from shualian.terminals.requests.ports import Nonces
from shualian.trust.signatures import verify


class SignedRequests:
    """The door of the terminal listener. Whatever cannot be checked is refused.

    Every refusal is counted under the name that :func:`counter_name` gives it.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        nonces: Nonces,
        counter: RefusalCounter,
        mode: Mode,
        networks: tuple[Network, ...],
        limits: FreshnessLimits,
    ) -> None:
        """Describe the door.

        Args:
            database: Holds the register.
            clock: For freshness and validity.
            nonces: In memory for one process, shared for several.
            counter: Metrics.
            mode: Sandbox or production.
            networks: Allow-list of the listener; none: nobody.
            limits: How old and how early a signature may be.
        """
        self._database = database
        self._clock = clock
        self._nonces = nonces
        self._counter = counter
        self._mode = mode
        self._networks = networks
        self._limits = limits

    def check_network(self, address: str) -> None:
        """Ask this before the body is read.

        Args:
            address: Of the connection itself, or as the operator's own proxy gives it.

        Raises:
            Refused: ``terminals.network_not_allowed``.
        """
        with self._counting():
            check_network(address, self._networks)

    def verify(
        self, request: SignedRequest, *, purpose: RequestPurpose = RequestPurpose.BUSINESS
    ) -> VerifiedRequest:
        """Find out which terminal sent this and that it may.

        Raises:
            Refused: ``terminals.network_not_allowed``, those of :func:`parse_signature_headers`,
                ``terminals.key_unknown``, those of :func:`verify_request`,
                ``terminals.terminal_revoked``, ``terminals.key_retired``,
                ``terminals.nonce_replayed``, ``terminals.signed_before_start``,
                ``terminals.too_many_requests``, ``terminals.terminal_pending``,
                ``terminals.terminal_suspended``, ``terminals.model_withdrawn``,
                ``terminals.model_expired`` and, for business, ``terminals.software_outdated``.
        """
        with self._counting():
            check_network(request.address, self._networks)
            known, claimed = self._authenticate(request)
            self._check_standing(known, request.address, purpose)
            return VerifiedRequest(
                terminal=known.terminal,
                place=known.place,
                model=known.model,
                key_id=known.key_id,
                created=claimed.created,
            )

    def check_business(self, verified: VerifiedRequest, *, scene: str, claim: PlaceClaim) -> None:
        """Check what the verified body asks for: this scene, at this place.

        Raises:
            Refused: ``terminals.scene_not_allowed``, ``terminals.place_disagrees``.
        """
        with self._counting():
            check_scene(verified.place, scene)
            check_place(verified.place, claim)

    def verify_message(self, key_id: KeyId, message: bytes, signature: bytes) -> Terminal:
        """Find out that a terminal, believed at this moment, signed a message that is no request.

        For what ends a conversation that a signed request began. The message must name its own
        context and something that is good once, because nothing here remembers it.

        Args:
            key_id: Of the key that signed the request.
            message: As it was signed.
            signature: 64 bytes.

        Raises:
            Refused: ``terminals.key_unknown``, ``terminals.signature_wrong``,
                ``terminals.terminal_revoked``, ``terminals.key_retired``,
                ``terminals.terminal_pending``, ``terminals.terminal_suspended``,
                ``terminals.simulated_outside_sandbox``, ``terminals.model_withdrawn``,
                ``terminals.model_expired``.
        """
        with self._counting():
            known = self._database.read(lambda each: store.known_key(each, key_id))
            if known is None:
                raise Refused(KEY_UNKNOWN)
            if not verify(known.public_key, message, signature):
                raise Refused(SIGNATURE_WRONG)
            check_active(known, mode=self._mode)
            check_model(known.model, on=business_date(self._clock.now()))
            return known.terminal

    def _authenticate(self, request: SignedRequest) -> tuple[KnownKey, ClaimedSignature]:
        claimed = parse_signature_headers(
            signature_input=request.signature_input,
            signature=request.signature,
            content_digest=request.content_digest,
        )
        known = self._database.read(lambda each: store.known_key(each, claimed.key_id))
        if known is None:
            raise Refused(KEY_UNKNOWN)
        now = self._clock.now()
        verify_request(
            claimed,
            method=request.method,
            target_uri=request.target_uri,
            body=request.body,
            expected_key=known.public_key,
            now=now,
            limits=self._limits,
        )
        # Before the nonce: what has come to its end for good may not fill the store.
        check_not_ended(known)
        # After the signature: nobody else can use up a terminal's nonces. Before the state: a
        # request that was refused while suspended must not pass by repetition after the resumption.
        check_nonce(
            self._nonces.use(claimed.key_id, claimed.nonce, created=claimed.created, now=now)
        )
        return known, claimed

    def _check_standing(self, known: KnownKey, address: str, purpose: RequestPurpose) -> None:
        check_active(known, mode=self._mode)
        check_model(known.model, on=business_date(self._clock.now()))
        if known.place.spec.networks:
            check_network(address, known.place.spec.networks)
        if purpose is RequestPurpose.BUSINESS:
            check_software(known.model, known.software)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            self._counter.count(counter_name(refused.kind))
            raise
