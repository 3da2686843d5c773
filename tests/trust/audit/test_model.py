"""What a payload can hold, how records are chained, and that every change of a chain is found."""

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core import identifiers
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, PersonNo, StaffId, TerminalId, new_identifier
from shualian.core.money import Fen
from shualian.sandbox.city import OTHERS, PATIENT
from shualian.trust.audit.model import (
    FEN_MAX,
    FIELDS_MAX,
    GENESIS,
    INTEGER_MAX,
    PAYLOAD_CHARACTERS_MAX,
    Break,
    BreakKind,
    Checkpoint,
    Code,
    Digest,
    Event,
    Head,
    Payload,
    Record,
    Reference,
    chain_events,
    event_row,
    is_chain_name,
    moment_text,
    parse_checkpoint,
    payload_kinds,
    record_hash,
    walk,
)
from shualian.trust.model import KeyId
from trust.audit.world import START, Paid, paid


class Colour(Enum):
    RED = "red"
    LONG_BLUE = "Blue-1"


class Level(IntEnum):
    LOW = 1


class Everything(Payload, kind="test.everything"):
    terminal_id: TerminalId
    reference: Reference
    key_id: KeyId
    code: Code
    digest: Digest
    colour: Colour
    level: Level
    count: int
    amount_fen: Fen
    granted: bool
    moment: datetime
    staff_id: StaffId | None = None


WHOLE: dict[str, Any] = {
    "terminal_id": TerminalId("SIM-K01"),
    "reference": Reference("01JD:a.b_c-9"),
    "key_id": KeyId("0001-1f0e9a77"),
    "code": Code("terminals.nonce_replayed"),
    "digest": Digest("0f" * 32),
    "colour": Colour.LONG_BLUE,
    "level": Level.LOW,
    "count": -INTEGER_MAX,
    "amount_fen": Fen(FEN_MAX),
    "granted": True,
    "moment": START,
}


# Types of payloads


def define(hint: object) -> None:
    namespace = {"__annotations__": {"value": hint}, "__module__": __name__}
    type("Refusable", (Payload,), namespace, kind="test.refusable")


class Chinese(StrEnum):
    NAME = "张建国"


class Bytes(Enum):
    PIXEL = b"\xff\xd8"


@pytest.mark.parametrize(
    "hint",
    [
        str,
        bytes,
        bytearray,
        memoryview,
        float,
        complex,
        object,
        Any,
        None,
        date,
        timedelta,
        list[int],
        tuple[int, ...],
        dict[str, int],
        set[int],
        np.ndarray,
        IdNumber,
        AuthNo,
        Chinese,
        Bytes,
        StrEnum,
        str | None,
        int | PersonNo,
        PersonNo | StaffId | None,
        Payload,
    ],
    ids=str,
)
def test_a_field_that_could_hold_an_image_a_template_a_name_or_a_secret_is_refused(
    hint: object,
) -> None:
    before = dict(payload_kinds())
    with pytest.raises(TypeError, match="could hold what the audit must not"):
        define(hint)
    assert payload_kinds() == before


def test_every_identifier_of_the_house_but_the_secret_one_can_be_held() -> None:
    texts = {
        name: kind
        for name, kind in vars(identifiers).items()
        if getattr(kind, "__supertype__", None) is str
    }
    assert len(texts) > 10
    for name, kind in texts.items():
        if kind is not AuthNo:
            annotations = {"value": kind}
            type(
                f"Holds{name}",
                (Payload,),
                {"__annotations__": annotations, "__module__": __name__},
                kind=f"test.holds_{name.lower()}",
            )


def test_a_payload_without_a_kind_of_its_own_is_refused() -> None:
    for kind in ("test.paid", "", "Upper", "two words", "ends.", "x" * 49, "名"):
        with pytest.raises(TypeError, match="no free kind"):
            type("Refusable", (Payload,), {"__module__": __name__}, kind=kind)
    with pytest.raises(TypeError):
        type("Refusable", (Payload,), {"__module__": __name__})


def test_a_payload_has_few_fields_with_short_names() -> None:
    def of(names: list[str]) -> None:
        annotations = dict.fromkeys(names, int)
        namespace = {"__annotations__": annotations, "__module__": __name__}
        type("Refusable", (Payload,), namespace, kind="test.refusable_size")

    with pytest.raises(TypeError, match="at most"):
        of([f"f{number}" for number in range(FIELDS_MAX + 1)])
    with pytest.raises(TypeError, match="too long a name"):
        of(["f" * 41])


def test_a_payload_is_frozen_and_keyword_only() -> None:
    made = paid(1)
    with pytest.raises(FrozenInstanceError):
        made.amount_fen = Fen(5)  # type: ignore[misc]
    by_position: Callable[..., Paid] = Paid
    with pytest.raises(TypeError):
        by_position(1, 2, 3, 4)


# Values of payloads


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("terminal_id", "张建国"),
        ("terminal_id", "zhang.jianguo"),
        ("terminal_id", "Zhang"),
        ("terminal_id", ""),
        ("terminal_id", " K01"),
        ("terminal_id", "K01\n"),
        ("terminal_id", "K" * 65),
        ("terminal_id", "13800138000"),
        ("terminal_id", "8613800138000"),
        ("terminal_id", "110101199003070134"),
        ("terminal_id", 5),
        ("terminal_id", b"K01"),
        ("terminal_id", None),
        ("reference", "110101199003070134"),
        ("reference", "K01/../x"),
        ("code", "Bad"),
        ("code", "13800138000"),
        ("code", "a" * 49),
        ("code", "a..b"),
        ("digest", "0F" * 32),
        ("digest", "0f" * 31),
        ("digest", "张" * 64),
        ("colour", "red"),
        ("colour", Level.LOW),
        ("level", 1),
        ("count", True),
        ("count", 1.0),
        ("count", INTEGER_MAX + 1),
        ("count", 13800138000),
        ("count", 110101199003070134),
        ("amount_fen", FEN_MAX + 1),
        ("amount_fen", 110101199003070134),
        ("amount_fen", "5"),
        ("granted", 1),
        ("granted", None),
        ("moment", START.replace(tzinfo=None)),
        ("moment", START.date()),
        ("moment", START.isoformat()),
        ("staff_id", "李梅"),
    ],
)
def test_a_value_that_is_not_of_its_form_is_refused_and_not_repeated(
    field: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"^field {field} is not of its form$"):
        Everything(**{**WHOLE, field: value})


def test_the_sample_people_s_names_and_numbers_fit_nowhere() -> None:
    for person in (PATIENT, *OTHERS):
        for value in (person.name, person.id_number):
            for field in ("terminal_id", "reference", "key_id", "code", "digest", "staff_id"):
                with pytest.raises(ValueError, match="not of its form"):
                    Everything(**{**WHOLE, field: value})


@given(st.text(min_size=1, max_size=70).filter(lambda text: not text.isascii()))
def test_no_text_beyond_ascii_fits_anywhere(text: str) -> None:
    for field in ("terminal_id", "reference", "key_id", "code", "digest"):
        with pytest.raises(ValueError, match="not of its form"):
            Everything(**{**WHOLE, field: text})


def test_new_identifiers_fit() -> None:
    for _ in range(200):
        Everything(**{**WHOLE, "reference": Reference(new_identifier())})


def test_the_largest_payload_fits_its_column() -> None:
    names = [f"{'f' * 37}_{number:02d}" for number in range(FIELDS_MAX)]
    largest = type(
        "Largest",
        (Payload,),
        {"__annotations__": dict.fromkeys(names, Digest), "__module__": __name__},
        kind="test.largest",
    )
    row = event_row(largest(**dict.fromkeys(names, "0" * 64)), START)
    assert len(row["payload"]) <= PAYLOAD_CHARACTERS_MAX


def test_a_payload_is_stored_as_canonical_json() -> None:
    in_china = START.astimezone(timezone(timedelta(hours=8)))
    row = event_row(Everything(**WHOLE), in_china)
    assert row["kind"] == "test.everything"
    assert row["at"] == "2026-11-21T06:00:00.000000Z"
    expected = {
        **WHOLE,
        "colour": "Blue-1",
        "moment": "2026-11-21T06:00:00.000000Z",
        "staff_id": None,
    }
    assert row["payload"] == json.dumps(expected, sort_keys=True, separators=(",", ":"))


def test_what_is_no_payload_of_the_set_is_not_recorded() -> None:
    class Impostor:
        kind = "test.paid"

    with pytest.raises(TypeError, match="closed set"):
        event_row(Impostor(), START)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time zone"):
        event_row(paid(1), START.replace(tzinfo=None))


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_has_27_characters_that_sort_like_it(moment: datetime) -> None:
    text = moment_text(moment)
    assert len(text) == 27
    assert datetime.fromisoformat(text) == moment


@pytest.mark.parametrize("name", ["", "..", "../x", "A", "a/b", "a b", "x" * 65, ".hidden", "链"])
def test_a_chain_s_name_is_a_plain_file_name(name: str) -> None:
    assert not is_chain_name(name)
    assert is_chain_name("hospital-h33010600001")


# The chain


def event(number: int) -> Event:
    return Event(number * 10, **event_row(paid(number), START + timedelta(seconds=number)))


def records(count: int, chain: str = "insurer") -> list[Record]:
    events = [event(number) for number in range(1, count + 1)]
    links = chain_events(chain, Head(), events)
    return [Record(link, event) for link, event in zip(links, events, strict=True)]


def test_a_record_s_hash_is_sha_256_over_its_canonical_json() -> None:
    """By hand from the written description."""
    first, second = records(2)
    for record, previous in ((first, "0" * 64), (second, first.link.hash)):
        assert record.event
        line = json.dumps(
            {
                "at": record.event.at,
                "chain": "insurer",
                "event": record.event.event_id,
                "kind": "test.paid",
                "payload": json.loads(record.event.payload),
                "previous": previous,
                "sequence": record.link.sequence,
            },
            sort_keys=True,
            separators=(",", ":"),
        )
        assert record.link.previous_hash == previous
        assert record.link.hash == sha256(line.encode("ascii")).hexdigest()


def test_a_record_s_hash_is_pinned() -> None:
    """Chains of years ago must verify."""
    made = record_hash("insurer", 1, GENESIS, Event(1, "test.paid", "2026-11-21T", '{"a":1}'))
    assert made == "530232212db0c88089ca8acf5ea4651b77396505fb4d364a68f380e5d28d3739"


def walked(found: list[Record], checkpoints: dict[int, str] | None = None) -> Break | None:
    found = sorted(found, key=lambda record: record.link.sequence)

    def claimants(previous: str) -> list[Record]:
        return [record for record in found if record.link.previous_hash == previous]

    return walk("insurer", found, checkpoints or {}, claimants).broken


def test_a_whole_chain_holds_with_all_its_checkpoints() -> None:
    chain = records(9)
    assert walked(chain) is None
    assert walked(chain, {r.link.sequence: r.link.hash for r in chain}) is None
    assert walked([]) is None


def test_a_chain_of_another_name_does_not_hold() -> None:
    assert walked(records(3, "hospital")) == Break(BreakKind.ALTERED, 1, 10)


Change = Callable[[list[Record], int, int], list[Record]]


def alter_event(field: str) -> Change:
    def change(chain: list[Record], place: int, _other: int) -> list[Record]:
        record = chain[place]
        assert record.event
        value = getattr(record.event, field)
        altered: Any = value + 1 if isinstance(value, int) else value.replace("1", "2") + " "
        event = replace(record.event, **{field: altered})
        return [*chain[:place], replace(record, event=event), *chain[place + 1 :]]

    return change


def alter_link(field: str) -> Change:
    def change(chain: list[Record], place: int, _other: int) -> list[Record]:
        record = chain[place]
        value = getattr(record.link, field)
        altered: Any = value + 100 if isinstance(value, int) else value[::-1] + "0"
        link = replace(record.link, **{field: altered})
        return [*chain[:place], replace(record, link=link), *chain[place + 1 :]]

    return change


def lose_event(chain: list[Record], place: int, _other: int) -> list[Record]:
    return [*chain[:place], replace(chain[place], event=None), *chain[place + 1 :]]


def delete(chain: list[Record], place: int, _other: int) -> list[Record]:
    return [*chain[:place], *chain[place + 1 :]]


def renumbered(chain: list[Record]) -> list[Record]:
    return [
        replace(record, link=replace(record.link, sequence=number))
        for number, record in enumerate(chain, 1)
    ]


def delete_and_close(chain: list[Record], place: int, other: int) -> list[Record]:
    return renumbered(delete(chain, place, other))


def swap(chain: list[Record], place: int, other: int) -> list[Record]:
    other = other if other != place else (place + 1) % len(chain)
    swapped = list(chain)
    swapped[place], swapped[other] = chain[other], chain[place]
    return renumbered(swapped)


def repeat(chain: list[Record], place: int, other: int) -> list[Record]:
    return renumbered([*chain[:place], chain[other], *chain[place:]])


def insert_forged(chain: list[Record], place: int, _other: int) -> list[Record]:
    head = chain[place - 1].link if place else Head()
    (link,) = chain_events("insurer", Head(place, head.hash), [event(99)])
    return renumbered([*chain[:place], Record(link, event(99)), *chain[place:]])


CHANGES: list[Change] = [
    *(alter_event(field) for field in ("event_id", "kind", "at", "payload")),
    *(alter_link(field) for field in ("sequence", "previous_hash", "hash")),
    lose_event,
    delete,
    delete_and_close,
    swap,
    repeat,
    insert_forged,
]


@given(st.sampled_from(CHANGES), st.integers(1, 12), st.integers(0, 11), st.integers(0, 11))
def test_every_change_is_found_not_later_than_the_record_after_it(
    change: Change, count: int, place: int, other: int
) -> None:
    chain = records(count)
    place, other = place % count, other % count
    changed = change(list(chain), place, other)
    newest = chain[-1].link
    broken = walked(changed, {newest.sequence: newest.hash})
    if changed == chain:
        assert broken is None
        return
    assert broken is not None
    assert broken.sequence is not None
    assert broken.sequence <= place + 2


@pytest.mark.parametrize(
    ("change", "kind", "named"),
    [
        (alter_event("payload"), "altered", 3),
        (alter_link("hash"), "altered", 3),
        (alter_link("previous_hash"), "altered", 3),
        (lose_event, "deleted", 3),
        (delete, "deleted", 3),
        (delete_and_close, "deleted", 3),
        (alter_link("sequence"), "reordered", 3),
        (swap, "reordered", 3),
        (insert_forged, "inserted", 3),
    ],
)
def test_the_first_broken_record_is_named_with_what_happened_to_it(
    change: Change, kind: str, named: int
) -> None:
    broken = walked(change(records(8), 2, 5))
    assert broken
    assert (broken.kind.value, broken.sequence) == (kind, named)


def test_a_number_left_out_is_found_even_when_the_hashes_go_on() -> None:
    chain = records(5)
    (link,) = chain_events("insurer", Head(7, chain[4].link.hash), [event(8)])
    assert walked([*chain, Record(link, event(8))]) == Break(BreakKind.DELETED, 6)


def test_a_cut_tail_is_found_by_a_checkpoint_and_by_nothing_else() -> None:
    chain = records(8)
    assert walked(chain[:5]) is None
    assert walked(chain[:5], {8: chain[7].link.hash}) == Break(BreakKind.CUT_TAIL, 6)
    assert walked([], {8: chain[7].link.hash}) == Break(BreakKind.CUT_TAIL, 1)


def test_a_chain_made_anew_is_found_by_a_checkpoint_from_the_last_one_that_agrees() -> None:
    chain = records(8)
    stated = {2: chain[1].link.hash, 7: chain[6].link.hash}
    events = [event(90 + number) for number in range(5)]
    made = chain_events("insurer", Head(3, chain[2].link.hash), events)
    rewritten = [*chain[:3], *(Record(*pair) for pair in zip(made, events, strict=True))]
    assert walked(rewritten) is None
    assert walked(rewritten, stated) == Break(BreakKind.REWRITTEN, 3)


# Checkpoints


CHECKPOINT = Checkpoint("insurer", 7, "0f" * 32, 3, moment_text(START), "0001-1f0e9a77")


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    line = CHECKPOINT.line(b"\x01" * 64)
    assert parse_checkpoint(line) == (CHECKPOINT, b"\x01" * 64)
    assert b"\n" not in line


def test_a_checkpoint_has_one_spelling() -> None:
    line = CHECKPOINT.line(b"\xab" * 64)
    members = json.loads(line)
    others = [
        line + b" ",
        line.replace(b"ab", b"AB"),
        line.replace(b'"count":3', b'"count":3.0'),
        line.replace(b'"count":3', b'"count":true'),
        json.dumps(members).encode(),
        json.dumps({**members, "more": 1}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(dict(reversed(members.items())), separators=(",", ":")).encode(),
    ]
    assert [parse_checkpoint(other) for other in others] == [None] * len(others)


@given(st.binary(max_size=200) | st.sampled_from([b"[" * 100_000, b"{}", b"[]", b"null", b"1"]))
def test_any_bytes_are_no_checkpoint(line: bytes) -> None:
    assert parse_checkpoint(line) is None
