"""Use cases of the stand-in: put people in, answer signed questions, let faults happen."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import cv2
import numpy as np
from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database, forbid_in_transaction
from shualian.core.id_number import IdNumber, parse_id_number
from shualian.core.identifiers import new_identifier
from shualian.core.refusals import Refused
from shualian.face.calibration import OperatingPoint
from shualian.face.model import (
    NO_FACE,
    PICTURE_TOO_LARGE,
    PICTURE_TOO_SMALL,
    PICTURE_UNREADABLE,
    Embedding,
    Hint,
    Measurement,
    Picture,
)
from shualian.face.pictures import FRAME_PIXELS_MAX, decode_picture
from shualian.gateway.police_registry.model import (
    FRESHNESS,
    PICTURE_BYTES_MAX,
    ComparisonAnswer,
    ComparisonBody,
    SentRequest,
    Verdict,
    sign_answer,
)
from shualian.sandbox.degradations import terminal_frame
from shualian.sandbox.police_registry import store
from shualian.sandbox.police_registry.model import (
    BODY_INVALID,
    CALLER_UNKNOWN,
    KEPT,
    PEOPLE_MAX,
    PHOTO_NOT_FOUND,
    PHOTO_POOR,
    REGISTRY_FULL,
    REQUEST_ID_REUSED,
    REQUEST_REPLAYED,
    Fault,
    FaultKind,
    Listed,
    Look,
    Record,
    check_fictional,
    clean_name,
    decide,
    listed,
)
from shualian.sandbox.police_registry.ports import Engine
from shualian.sandbox.police_registry.store import SealedPerson
from shualian.terminals.enrolment.model import KeyId, key_id_of
from shualian.terminals.requests.model import (
    ClaimedSignature,
    SignedRequest,
    parse_signature_headers,
    verify_request,
)
from shualian.trust.sealing import Sealer
from shualian.trust.signatures import PublicKey, SigningKey

_PURPOSE = "police_registry.person"
_JPEG_QUALITY = 92
_NOT_A_PICTURE = (PICTURE_UNREADABLE, PICTURE_TOO_LARGE, PICTURE_TOO_SMALL, NO_FACE)
_FLOATS = "<f4"


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An answer as it is sent: JSON and the three fields of its signature."""

    content: bytes
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Portrait:
    look: Look
    photo: bytes = field(repr=False)
    template: Embedding | None = field(repr=False)


class Faults:
    """The knob; thread-safe. A delay ends at once when the knob is turned again."""

    def __init__(self) -> None:
        self._fault = Fault()
        self._turned = threading.Event()
        self._lock = threading.Lock()

    @property
    def current(self) -> Fault:
        """What goes wrong now."""
        return self._fault

    def set(self, fault: Fault) -> None:
        """Turn the knob; ``Fault()`` mends everything."""
        with self._lock:
            self._fault = fault
            self._turned.set()
            self._turned = threading.Event()

    def wait(self) -> None:
        """Wait for as long as a slow registry does."""
        with self._lock:
            fault, turned = self._fault, self._turned
        if fault.kind is FaultKind.SLOW:
            turned.wait(fault.delay_s)


class StandInRegistry:
    """The registry's people, its key and its answers, over its own database.

    People are fictional; faces may be anybody's who sits before the camera, so that photos are
    sealed at rest and gone after :data:`KEPT`.
    """

    def __init__(
        self,
        *,
        database: Database,
        sealer: Sealer,
        key: SigningKey,
        engine: Engine,
        point: OperatingPoint,
        clock: Clock,
        origin: str,
    ) -> None:
        """Describe it.

        Args:
            database: Its own; has :data:`store.metadata`.
            sealer: Over keys of its own.
            key: Signs its answers.
            engine: Measures photos and live pictures.
            point: Of the calibration; its threshold decides.
            clock: For freshness and deletion.
            origin: Canonical, which callers sign.
        """
        self.faults = Faults()
        self.point = point
        self._database = database
        self._sealer = sealer
        self._key = key
        self._engine = engine
        self._clock = clock
        self._origin = origin.rstrip("/")

    @property
    def public_key(self) -> PublicKey:
        """Verifies its answers."""
        return self._key.public_key

    @property
    def origin(self) -> str:
        """Which callers sign."""
        return self._origin

    def admit(self, caller: PublicKey) -> None:
        """Know a platform by its key."""
        key_id = key_id_of(caller)
        self._database.write(lambda each: store.add_caller(each, key_id, caller))

    def look(self, picture: bytes) -> Look:
        """What a picture is worth, in a hint; nothing is kept.

        Raises:
            Refused: ``face.picture_unreadable``, ``face.picture_too_large``,
                ``face.picture_too_small``.
        """
        portrait = self._portrait(picture)
        return Look(Hint.NO_FACE) if portrait is None else portrait.look

    def put_photo(
        self, id_number: str, name: str, picture: bytes, *, poor_allowed: bool = False
    ) -> Listed:
        """Put a fictional person in with a photo, in the place of an earlier one.

        Args:
            id_number: Of region 990000.
            name: Made up.
            picture: JPEG, PNG or WebP.
            poor_allowed: Whether a photo that cannot be used is put in as such.

        Raises:
            Refused: ``core.id_number_invalid``, ``sandbox.registry_number_not_fictional``,
                ``sandbox.registry_name_invalid``, those of :meth:`look`,
                ``sandbox.registry_photo_poor`` with the hint, ``sandbox.registry_full``.
        """
        number, cleaned = self._identity(id_number, name)
        portrait = self._portrait(picture)
        hint = Hint.NO_FACE if portrait is None else portrait.look.hint
        if not (Look(hint).usable or poor_allowed):
            words = Look(hint).words
            raise Refused(PHOTO_POOR, hint=hint.value, hint_zh=words.zh, hint_en=words.en)
        photo, template = (portrait.photo, portrait.template) if portrait else (None, None)
        return self._put(Record(number, cleaned, photo, template, self._engine.path_id))

    def put_person(self, id_number: str, name: str) -> Listed:
        """Put a fictional person in of whom there is no photo.

        Raises:
            Refused: As :meth:`put_photo`, without what concerns photos.
        """
        return self._put(Record(*self._identity(id_number, name), None, None))

    def people(self) -> list[Listed]:
        """Everybody, masked, the newest first."""
        self.purge()
        now = self._clock.now()
        rows = self._database.read(lambda each: store.everybody(each, now=now))
        return [
            listed(self._opened(row), reference=row.reference, until=row.until, now=now)
            for row in rows
        ]

    def delete(self, reference: str) -> None:
        """Delete one person at once.

        Raises:
            Refused: ``sandbox.registry_photo_not_found``.
        """
        self.purge()
        if not self._database.write(lambda each: store.delete_person(each, reference)):
            raise Refused(PHOTO_NOT_FOUND)

    def purge(self) -> int:
        """Delete everybody whose time is over, and old answers and nonces; how many people."""
        return self._database.write(self._purge)

    def answer(self, request: SignedRequest) -> SignedAnswer:
        """Answer a signed question.

        Raises:
            Refused: Those of :func:`parse_signature_headers` and :func:`verify_request`,
                ``sandbox.registry_caller_unknown``, ``sandbox.registry_request_replayed``,
                ``sandbox.registry_request_id_reused``, ``sandbox.registry_body_invalid``.
        """
        caller = self._caller(request)
        body = _body(request.body)
        self.faults.wait()
        fault = self.faults.current.kind
        verdict = Verdict.BUSY if fault is FaultKind.BUSY else self._decided(caller, body, request)
        return self._signed(request, body.request_id, verdict, fault)

    def _caller(self, request: SignedRequest) -> KeyId:
        """Who asks, once: signature, freshness, then the nonce."""
        claimed = parse_signature_headers(
            signature_input=request.signature_input,
            signature=request.signature,
            content_digest=request.content_digest,
        )
        known = self._database.read(lambda each: store.caller_key(each, claimed.key_id))
        if known is None:
            raise Refused(CALLER_UNKNOWN)
        verify_request(
            claimed,
            method=request.method,
            target_uri=request.target_uri,
            body=request.body,
            expected_key=known,
            now=self._clock.now(),
            limits=FRESHNESS,
        )
        if not self._database.write(lambda each: self._is_new(each, claimed)):
            raise Refused(REQUEST_REPLAYED)
        return claimed.key_id

    def _is_new(self, connection: Connection, claimed: ClaimedSignature) -> bool:
        self._purge(connection)
        return store.use_nonce(connection, claimed.key_id, claimed.nonce, created=claimed.created)

    def _purge(self, connection: Connection) -> int:
        now = self._clock.now()
        fresh = timedelta(seconds=FRESHNESS.age_max_s + FRESHNESS.ahead_max_s)
        store.forget(connection, answers_before=now - KEPT, nonces_before=now - fresh)
        return store.delete_expired(connection, now=now)

    def _decided(self, caller: KeyId, body: ComparisonBody, request: SignedRequest) -> Verdict:
        """The verdict that was given on this request before, or a new one, which is kept."""
        request_hash = self._sealer.keyed_hash(request.body, purpose=_PURPOSE)
        earlier = self._database.read(lambda each: store.answer_of(each, caller, body.request_id))
        verdict = self._verdict(body) if earlier is None else earlier[1]

        def keep(connection: Connection) -> tuple[bytes, Verdict]:
            known = store.answer_of(connection, caller, body.request_id)
            if known is not None:
                return known
            at = self._clock.now()
            store.add_answer(
                connection,
                caller,
                body.request_id,
                request_hash=request_hash,
                verdict=verdict,
                at=at,
            )
            return request_hash, verdict

        kept_hash, kept = self._database.write(keep) if earlier is None else earlier
        if kept_hash != request_hash:
            raise Refused(REQUEST_ID_REUSED)
        return kept

    def _verdict(self, body: ComparisonBody) -> Verdict:
        number_hash = self._number_hash(body.id_number)
        now = self._clock.now()
        row = self._database.read(lambda each: store.person_by_hash(each, number_hash, now=now))
        record = None if row is None else self._opened(row)
        probe = self._probe(body) if record is not None and record.template is not None else None
        return decide(record, name=body.name, probe=probe, threshold=self.point.threshold)

    def _probe(self, body: ComparisonBody) -> Embedding | None:
        """Of the live picture; what shows no face matches nobody."""
        try:
            picture = decode_picture(
                body.picture_bytes(), bytes_max=PICTURE_BYTES_MAX, pixels_max=FRAME_PIXELS_MAX
            )
            return self._measure(picture).embedding
        except Refused as refused:
            if refused.kind not in _NOT_A_PICTURE:
                raise
            return None

    def _signed(
        self, request: SignedRequest, request_id: str, verdict: Verdict, fault: FaultKind
    ) -> SignedAnswer:
        named = new_identifier() if fault is FaultKind.OTHER_REQUEST else request_id
        content = ComparisonAnswer(request_id=named, verdict=verdict, stand_in=True)
        body = content.model_dump_json().encode("utf-8")
        sent = SentRequest(
            method=request.method,
            target_uri=request.target_uri,
            content_digest=request.content_digest[0].strip(),
            signature=request.signature[0].strip(),
        )
        headers = dict(
            sign_answer(self._key, sent, status=200, content=body, created=self._clock.now())
        )
        if fault is FaultKind.WRONG_SIGNATURE:
            headers["signature"] = f"sig=:{'A' * 86}==:"
        return SignedAnswer(body, headers)

    def _identity(self, id_number: str, name: str) -> tuple[IdNumber, str]:
        number = parse_id_number(id_number, today=business_date(self._clock.now()))
        check_fictional(number)
        return number, clean_name(name)

    def _put(self, record: Record) -> Listed:
        now = self._clock.now()
        row = self._sealed(record, reference=new_identifier(), until=now + KEPT)

        def put(connection: Connection) -> None:
            self._purge(connection)
            if store.count_people(connection) >= PEOPLE_MAX:
                raise Refused(REGISTRY_FULL, people_max=PEOPLE_MAX)
            store.put_person(connection, row)

        self._database.write(put)
        return listed(record, reference=row.reference, until=row.until, now=now)

    def _portrait(self, picture: bytes) -> _Portrait | None:
        """The picture as a terminal would see the person; none when there is no face."""
        forbid_in_transaction("a face model")
        try:
            whole = decode_picture(picture)
            framed, _ = terminal_frame(whole, self._measure(whole).face)
            measured = self._measure(framed)
        except Refused as refused:
            if refused.kind is not NO_FACE:
                raise
            return None
        look = Look(measured.quality.hint)
        template = measured.embedding if look.usable else None
        return _Portrait(look, _jpeg(framed), template)

    def _measure(self, picture: Picture) -> Measurement:
        return self._engine.measure(picture)

    def _number_hash(self, number: str) -> bytes:
        return self._sealer.keyed_hash(number.encode("ascii"), purpose=_PURPOSE)

    def _sealed(self, record: Record, *, reference: str, until: datetime) -> SealedPerson:
        number_hash = self._number_hash(record.id_number.value)

        def seal(content: bytes, column: str) -> bytes:
            context = _context(number_hash, column)
            return self._sealer.seal(content, purpose=_PURPOSE, context=context)

        identity = json.dumps([record.id_number.value, record.name]).encode("ascii")
        template = record.template
        return SealedPerson(
            number_hash=number_hash,
            reference=reference,
            identity=seal(identity, "identity"),
            photo=None if record.photo is None else seal(record.photo, "photo"),
            template=(
                None if template is None else seal(template.astype(_FLOATS).tobytes(), "template")
            ),
            path_id=record.path_id,
            until=until,
        )

    def _opened(self, row: SealedPerson) -> Record:
        def opened(sealed: bytes, column: str) -> bytes:
            context = _context(row.number_hash, column)
            return self._sealer.open(sealed, purpose=_PURPOSE, context=context)

        number, name = json.loads(opened(row.identity, "identity"))
        photo = None if row.photo is None else opened(row.photo, "photo")
        template: Embedding | None = None
        if row.template is not None and row.path_id == self._engine.path_id:
            template = np.frombuffer(opened(row.template, "template"), _FLOATS).astype(np.float32)
        elif row.template is not None and photo is not None:
            # Made under other weights: vectors of different paths must not be compared.
            template = self._measure(decode_picture(photo)).embedding
        return Record(IdNumber(number), name, photo, template, self._engine.path_id)


def _context(number_hash: bytes, column: str) -> bytes:
    return column.encode("ascii") + b"\0" + number_hash


def _body(content: bytes) -> ComparisonBody:
    try:
        return ComparisonBody.model_validate_json(content)
    except ValueError:
        raise Refused(BODY_INVALID) from None


def _jpeg(picture: Picture) -> bytes:
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise Refused(PICTURE_UNREADABLE, found="a picture that cannot be encoded")
    return encoded.tobytes()
