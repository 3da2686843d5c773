"""What may be written into the audit, how records are chained, and where a chain breaks; pure.

**Payloads** are a closed set of small types whose fields can only be identifiers, codes, digests,
enumerated values, integers and moments. A field of another type is refused when the type is
defined, a value that looks like an ID number or a phone number when the payload is made, so an
image, a template, a name or a number of a person has no place to be.

**Chain.** Record ``n`` holds the hash of record ``n - 1`` and the SHA-256 (FIPS 180-4) of one line
of canonical JSON (RFC 8785 for these values: ASCII, no blanks, keys sorted) with chain, number,
event and that previous hash. The first record's previous hash is 64 zeros; the chain's name is in
every record. Hashes are 64 lower-case hexadecimal digits everywhere.

**Checkpoints** are signed statements "record ``sequence`` has this hash", kept in a second place.

What is proven: given checkpoints that the attacker could not change, every record up to the newest
of them stands as it was linked: unaltered, complete, in order. What is not proven:

- records after the newest checkpoint, if the whole chain from there on was made anew;
- anything, if the attacker can also remove the newest checkpoints in the second place: a cut tail
  with its checkpoints cannot be noticed. So the second place must belong to somebody else, or be a
  medium that only takes additions;
- events that were altered or removed before they were linked (seconds);
- that an event is true: whoever can write the database can add one;
- that an identifier is one: a name in capital Latin letters could be put where one belongs.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from hashlib import sha256
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    NewType,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from shualian.core import identifiers
from shualian.core.id_number import parse_id_number
from shualian.core.money import Fen
from shualian.core.refusals import Finality, KindsOf, Refused
from shualian.trust.model import KeyId

Reference = NewType("Reference", str)
"""An identifier whose own type stands in a part above: 1 to 64 of ``A-Z a-z 0-9 . _ : -``, with a
digit or without lower-case letters, so that no name that somebody typed passes for it."""
Code = NewType("Code", str)
"""A short code such as that of a refusal: ``terminals.nonce_replayed``, at most 48 characters."""
Digest = NewType("Digest", str)
"""SHA-256 or SM3 in 64 lower-case hexadecimal digits."""

GENESIS = "0" * 64
"""Stands where the first record has no predecessor."""

FIELDS_MAX = 16
FIELD_NAME_CHARACTERS_MAX = 40
PAYLOAD_CHARACTERS_MAX = 2_000
"""Of the JSON; the limits of fields, names and values keep it below."""
INTEGER_MAX = 1_000_000_000
"""Counts and durations; below every ID number and phone number."""
FEN_MAX = 10**15

_IDENTIFIER = re.compile(r"(?=.*[0-9]|[^a-z]*\Z)[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_CODE = re.compile(r"(?=.{1,48}\Z)[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PHONE = re.compile(r"(?:\+?86)?1[3-9][0-9]{9}")
_PHONE_LENGTHS = frozenset((11, 13, 14))
_ID_NUMBER_LENGTH = 18
_ENUM_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
_CHAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_SECRETS = frozenset((identifiers.AuthNo,))
"""Identifiers that open something; their digest may be recorded, never they."""

_TEXTS: Mapping[object, re.Pattern[str]] = MappingProxyType(
    {
        **{
            kind: _IDENTIFIER
            for kind in vars(identifiers).values()
            if isinstance(kind, NewType) and kind.__supertype__ is str and kind not in _SECRETS
        },
        KeyId: _IDENTIFIER,
        Reference: _IDENTIFIER,
        Code: _CODE,
        Digest: _DIGEST,
    }
)
_INTEGERS: Mapping[object, int] = MappingProxyType({int: INTEGER_MAX, Fen: FEN_MAX})

_NEAR = 10_000
"""How far from where a record stands its own place is looked for."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Payload:
    """What one kind of event says: ``class Enrolled(Payload, kind="terminals.enrolled"): ...``.

    A subclass becomes a frozen keyword-only dataclass and a member of the closed set.

    Raises:
        TypeError: When the type is defined: a field that could hold something else than an
            identifier, code, digest, enumerated value, integer, truth value or moment; a kind
            that is taken.
        ValueError: When an instance is made: a value outside its form or range.
    """

    kind: ClassVar[str]
    field_types: ClassVar[Mapping[str, Any]]
    _fits: ClassVar[Mapping[str, Callable[[object], bool]]]

    def __init_subclass__(cls, *, kind: str) -> None:
        """Make the dataclass, check its fields and enter it into the closed set."""
        super().__init_subclass__()
        cls.kind = kind
        dataclass(frozen=True, kw_only=True)(cls)
        if not _CODE.fullmatch(kind) or kind in _kinds:
            raise TypeError(f"{kind} is no free kind of event")
        cls.field_types = _hints(cls)
        if len(cls.field_types) > FIELDS_MAX:
            raise TypeError(f"at most {FIELDS_MAX} fields")
        for name, hint in cls.field_types.items():
            _check_type(name, hint)
        cls._fits = {name: _check_of(hint) for name, hint in cls.field_types.items()}
        _kinds[kind] = cls

    def __post_init__(self) -> None:
        for name, fits in self._fits.items():
            if not fits(getattr(self, name)):
                raise ValueError(f"field {name} is not of its form")


_kinds: dict[str, type[Payload]] = {}


def payload_kinds() -> Mapping[str, type[Payload]]:
    """Every kind of event that can be recorded, with its type."""
    return MappingProxyType(_kinds)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it is stored.

    Attributes:
        event_id: Number that the database gave it; rises, with gaps.
        kind: Of the payload.
        at: Moment of the event, UTC: ``2026-11-21T14:00:00.000000Z``.
        payload: Canonical JSON.
    """

    event_id: int
    kind: str
    at: str
    payload: str


def event_row(payload: Payload, at: datetime) -> dict[str, str]:
    """The columns of an event that is not stored yet, for a caller that sends its own batch.

    Raises:
        ValueError: If ``at`` has no time zone.
        TypeError: If the payload is of no registered type.
    """
    if _kinds.get(payload.kind) is not type(payload):
        raise TypeError("not a payload of the closed set")
    return {"kind": payload.kind, "at": moment_text(at), "payload": _payload_json(payload)}


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain, or the place before its first: number and hash."""

    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Link:
    """One event's place in the chain.

    Attributes:
        sequence: 1, 2, 3 ... without a gap.
        event_id: Which event.
        previous_hash: The hash of the record before.
        hash: See :func:`record_hash`.
    """

    sequence: int
    event_id: int
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Record:
    """A link as it was found, with its event if that was found too."""

    link: Link
    event: Event | None


def record_hash(chain: str, sequence: int, previous_hash: str, event: Event) -> str:
    """SHA-256 over the canonical JSON of one record."""
    line = (
        f'{{"at":{json.dumps(event.at)},"chain":{json.dumps(chain)},"event":{event.event_id},'
        f'"kind":{json.dumps(event.kind)},"payload":{event.payload},'
        f'"previous":"{previous_hash}","sequence":{sequence}}}'
    )
    return sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def chain_events(chain: str, head: Head, events: Iterable[Event]) -> list[Link]:
    """The links that put ``events`` behind ``head`` in their order."""
    links = []
    sequence, previous = head.sequence, head.hash
    for event in events:
        sequence += 1
        made = record_hash(chain, sequence, previous, event)
        links.append(Link(sequence, event.event_id, previous, made))
        previous = made
    return links


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed and kept in a second place.

    Attributes:
        chain: Name of the chain.
        sequence: Number of the last record then.
        hash: Its hash.
        count: Records linked since the checkpoint before it, as counted in the database.
        at: Moment of signing, UTC.
        key_id: Key of the provider from which the signing key is derived.
    """

    chain: str
    sequence: int
    hash: str
    count: int
    at: str
    key_id: str

    def signed_part(self) -> bytes:
        """Canonical JSON without the signature, behind a line that says what is signed."""
        return b"shualian audit checkpoint 1\n" + _canonical(self._members()).encode("ascii")

    def line(self, signature: bytes) -> bytes:
        """The line of the checkpoint file, without its line feed."""
        return _canonical({**self._members(), "signature": signature.hex()}).encode("ascii")

    def _members(self) -> dict[str, str | int]:
        return {
            "at": self.at,
            "chain": self.chain,
            "count": self.count,
            "hash": self.hash,
            "key": self.key_id,
            "sequence": self.sequence,
        }


def parse_checkpoint(line: bytes) -> tuple[Checkpoint, bytes] | None:
    """Checkpoint and signature, or None for whatever is not exactly what :meth:`line` writes."""
    try:
        members = json.loads(line)
        found = Checkpoint(
            chain=members["chain"],
            sequence=members["sequence"],
            hash=members["hash"],
            count=members["count"],
            at=members["at"],
            key_id=members["key"],
        )
        signature = bytes.fromhex(members["signature"])
        exact = line == found.line(signature)
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    whole = all(type(number) is int for number in (found.sequence, found.count))
    return (found, signature) if exact and whole else None


class BreakKind(StrEnum):
    """In which way a chain does not hold."""

    ALTERED = "altered"
    DELETED = "deleted"
    REORDERED = "reordered"
    INSERTED = "inserted"
    REWRITTEN = "rewritten"
    """The records agree with each other and not with a checkpoint."""
    CUT_TAIL = "cut_tail"
    FORGED_CHECKPOINT = "forged_checkpoint"
    NO_CHECKPOINT = "no_checkpoint"
    """A second place was named and holds nothing about this chain."""
    OTHER_CHAIN = "other_chain"
    """The database holds a chain of another name, or none although checkpoints speak of one."""


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold.

    Attributes:
        kind: In which way.
        sequence: First record that is not as it must be; None when no record is meant.
        event_id: The event found there, if one was found.
        line: Line of the checkpoint file, from 1, for a forged checkpoint.
    """

    kind: BreakKind
    sequence: int | None = None
    event_id: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What walking a chain from its first record found: the last good record, the first bad."""

    last: Head
    broken: Break | None


def walk(
    chain: str,
    records: Iterable[Record],
    checkpoints: Mapping[int, str],
    claimants: Callable[[str], list[Record]],
) -> Walk:
    """Follow a chain until its first broken record or its end.

    Args:
        chain: Its name.
        records: All of it, by rising sequence.
        checkpoints: Hash by sequence, of checkpoints whose signature holds.
        claimants: Every record that names a hash as its predecessor's.
    """
    head, agreed = Head(), 0
    for record in records:
        link = record.link
        if not _continues(chain, head, record):
            return Walk(head, _diagnose(chain, head, record, claimants))
        head = Head(link.sequence, link.hash)
        stated = checkpoints.get(link.sequence)
        if stated is not None:
            if stated != link.hash:
                return Walk(head, Break(BreakKind.REWRITTEN, agreed + 1))
            agreed = link.sequence
    if checkpoints and max(checkpoints) > head.sequence:
        return Walk(head, Break(BreakKind.CUT_TAIL, head.sequence + 1))
    return Walk(head, None)


def is_chain_name(text: str) -> bool:
    """Whether the text may name a chain: it becomes the name of a file."""
    return _CHAIN_NAME.fullmatch(text) is not None


def moment_text(moment: datetime) -> str:
    """A moment as the audit writes it: UTC with microseconds and ``Z``, always 27 characters.

    Raises:
        ValueError: If it has no time zone.
    """
    if moment.utcoffset() is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _continues(chain: str, head: Head, record: Record) -> bool:
    link = record.link
    return (
        link.sequence == head.sequence + 1
        and link.previous_hash == head.hash
        and _genuine_at(chain, record, link.sequence)
    )


def _genuine_at(chain: str, record: Record, sequence: int) -> bool:
    """Whether the record's hash says that its event and predecessor belong to this number."""
    link, event = record.link, record.event
    if event is None or not _is_text(event.kind, event.at, event.payload, link.previous_hash):
        return False
    return link.hash == record_hash(chain, sequence, link.previous_hash, event)


def _is_text(*values: object) -> bool:
    """SQLite holds what it is given, whatever the column says."""
    return all(isinstance(value, str) for value in values)


def _diagnose(
    chain: str, head: Head, record: Record, claimants: Callable[[str], list[Record]]
) -> Break:
    """What happened at the first place that does not hold.

    A record's hash still says for which number it was made, and a record that names the last good
    hash still says that it belongs next, wherever both stand now.
    """
    expected = head.sequence + 1
    found = record.link
    event_id = found.event_id if found.sequence == expected else None
    moved = any(
        other.link.sequence != expected and _genuine_at(chain, other, expected)
        for other in claimants(head.hash)
    )
    if found.sequence < expected:
        return Break(BreakKind.INSERTED, found.sequence, found.event_id)
    if found.sequence > expected or record.event is None:
        return Break(BreakKind.REORDERED if moved else BreakKind.DELETED, expected, event_id)
    place = _own_place(chain, record)
    if place is None:
        return Break(BreakKind.INSERTED if moved else BreakKind.ALTERED, expected, event_id)
    if place > expected:
        return Break(BreakKind.REORDERED if moved else BreakKind.DELETED, expected, event_id)
    # It is genuine for this place or an earlier one, so what stands before it is not.
    kind = BreakKind.ALTERED if place == expected else BreakKind.INSERTED
    return Break(kind, max(1, min(place, expected - 1)))


def _own_place(chain: str, record: Record) -> int | None:
    here = record.link.sequence
    if _genuine_at(chain, record, here):
        return here
    for distance in range(1, _NEAR):
        for place in (here - distance, here + distance):
            if place > 0 and _genuine_at(chain, record, place):
                return place
    return None


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def _canonical(members: Mapping[str, Any]) -> str:
    return _ENCODER.encode(members)


def _payload_json(payload: Payload) -> str:
    members = {name: _json_value(getattr(payload, name)) for name in payload.field_types}
    return _canonical(members)


def _json_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return moment_text(value) if isinstance(value, datetime) else value


def _hints(kind: type[Payload]) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    names = (field.name for field in fields(kind))  # type: ignore[arg-type]
    return {name: hints[name] for name in names}


def _alternatives(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _check_type(name: str, hint: object) -> None:
    kinds = [kind for kind in _alternatives(hint) if kind is not NoneType]
    if len(kinds) != 1 or not _is_allowed(kinds[0]):
        raise TypeError(f"field {name} could hold what the audit must not: {hint}")
    if len(name) > FIELD_NAME_CHARACTERS_MAX:
        raise TypeError(f"field {name} has too long a name")


def _is_allowed(kind: object) -> bool:
    if kind in _TEXTS or kind in _INTEGERS or kind in {bool, datetime}:
        return True
    if not isinstance(kind, type) or not issubclass(kind, Enum):
        return False
    values = [member.value for member in kind]
    return bool(values) and all(
        _ENUM_VALUE.fullmatch(value) if isinstance(value, str) else type(value) is int
        for value in values
    )


def _check_of(hint: object) -> Callable[[object], bool]:
    """Whether a value is of the form that a field's type asks for; made once for each field."""
    kinds = _alternatives(hint)
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    fits = _check_of_kind(kind)
    if NoneType not in kinds:
        return fits
    return lambda value: value is None or fits(value)


def _check_of_kind(kind: object) -> Callable[[object], bool]:
    if kind in _TEXTS:
        matches = _TEXTS[kind].fullmatch
        return lambda value: type(value) is str and matches(value) is not None and _is_plain(value)
    if kind in _INTEGERS:
        most = _INTEGERS[kind]
        return lambda value: type(value) is int and -most <= value <= most
    if kind is datetime:
        return lambda value: isinstance(value, datetime) and value.utcoffset() is not None
    return lambda value: type(value) is kind


def _is_plain(text: str) -> bool:
    """Whether the text is no ID number (GB 11643) and no mobile phone number.

    It has no blanks, so its length alone says of most texts that they are neither.
    """
    length = len(text)
    if length in _PHONE_LENGTHS:
        return not _PHONE.fullmatch(text)
    if length != _ID_NUMBER_LENGTH:
        return True
    try:
        parse_id_number(text, today=date.max)
    except Refused:
        return True
    return False


_kind = KindsOf("trust").kind


AUDIT_BROKEN = _kind(
    "audit_broken",
    "审计链与此前导出的检查点不一致，已停止续链",
    "The audit chain disagrees with what was linked or exported before; it is not continued",
    "运行 shualian audit verify 找出第一条有问题的记录，保存现场并报告安全负责人",
    "Run `shualian audit verify` for the first broken record, keep everything as it is and tell "
    "the security officer",
)
AUDIT_PLACE_UNAVAILABLE = _kind(
    "audit_place_unavailable",
    "审计检查点的保存处不能用",
    "The place of the audit checkpoints cannot be used",
    "检查文件夹是否存在、可写，磁盘是否已满",
    "Check that the folder exists and can be written and that its disk is not full",
    finality=Finality.TEMPORARY,
)
AUDIT_UNREADABLE = _kind(
    "audit_unreadable",
    "读不到审计记录",
    "The audit records cannot be read",
    "检查数据库地址和文件；如果数据库本应有审计记录，请报告安全负责人",
    "Check the address and the file; if the database should hold an audit, tell the security "
    "officer",
)

REFUSALS = (AUDIT_BROKEN, AUDIT_PLACE_UNAVAILABLE, AUDIT_UNREADABLE)
