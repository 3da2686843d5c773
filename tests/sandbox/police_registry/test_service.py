"""The stand-in decides with the real engine, refuses forgeries, and forgets people in a day."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sandbox.police_registry.world import (
    GREY,
    NAME,
    NUMBER,
    START,
    TARGET,
    World,
    body_of,
    fictional,
    jpeg,
)
from shualian.core.clock import business_date
from shualian.core.id_number import check_character, parse_id_number
from shualian.core.identifiers import new_identifier
from shualian.core.refusals import Refused
from shualian.face.model import Hint
from shualian.gateway.police_registry.model import Verdict
from shualian.sandbox.police_registry import service, store
from shualian.sandbox.police_registry.model import (
    HINT_WORDS,
    KEPT,
    REFUSALS,
    fictional_number,
)
from shualian.sandbox.samples import SamplePicture
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.signatures import Algorithm, SigningKey

Samples = Mapping[str, SamplePicture]
SECOND = timedelta(seconds=1)
SOMEBODYS = "11010119800307001" + check_character("11010119800307001")
"""Of a region that exists."""


def seen(samples: Samples, name: str) -> bytes:
    """As a terminal's camera gives it."""
    return jpeg(samples[name].picture())


@pytest.fixture
def patient(world: World, samples: Samples) -> World:
    world.registry.put_photo(NUMBER, NAME, samples["minister_a_2"].encoded)
    return world


def refusal(world: World, request: SignedRequest) -> str:
    with pytest.raises(Refused) as refused:
        world.registry.answer(request)
    return refused.value.kind.code


class TestAVerdict:
    def test_matches_another_picture_of_the_same_person(
        self, patient: World, samples: Samples
    ) -> None:
        assert patient.verdict(seen(samples, "minister_a_1")) is Verdict.MATCH

    def test_does_not_match_somebody_else(self, patient: World, samples: Samples) -> None:
        assert patient.verdict(seen(samples, "minister_b_1")) is Verdict.NO_MATCH

    @pytest.mark.parametrize("picture", [GREY, b"not a picture at all"])
    def test_does_not_match_a_picture_of_nobody(self, patient: World, picture: bytes) -> None:
        assert patient.verdict(picture) is Verdict.NO_MATCH

    def test_tells_a_wrong_name_before_it_looks_at_the_face(
        self, patient: World, samples: Samples
    ) -> None:
        picture = seen(samples, "minister_a_1")
        assert patient.verdict(picture, name="张示列") is Verdict.NAME_NUMBER_MISMATCH

    def test_takes_a_name_in_another_form_of_writing(self, world: World, samples: Samples) -> None:
        composed, decomposed = "Zoë 示例", "Zoe\u0308 示例 "
        world.registry.put_photo(NUMBER, composed, samples["minister_a_2"].encoded)
        picture = seen(samples, "minister_a_1")
        assert world.verdict(picture, name=decomposed) is Verdict.MATCH

    def test_knows_nobody_of_another_number(self, patient: World, samples: Samples) -> None:
        picture = seen(samples, "minister_a_1")
        assert patient.verdict(picture, number=fictional("19750702")) is Verdict.NOT_FOUND

    def test_says_when_there_is_no_photo(self, world: World, samples: Samples) -> None:
        world.registry.put_person(NUMBER, NAME)
        assert world.verdict(seen(samples, "minister_a_1")) is Verdict.NO_USABLE_PHOTO

    def test_says_when_the_photo_is_too_poor(self, world: World, samples: Samples) -> None:
        dark = jpeg(np.asarray(samples["minister_a_2"].picture() * 0.1, np.uint8))
        world.registry.put_photo(NUMBER, NAME, dark, poor_allowed=True)
        assert world.verdict(seen(samples, "minister_a_1")) is Verdict.NO_USABLE_PHOTO

    def test_is_marked_as_a_stand_ins(self, world: World) -> None:
        assert world.answer(body_of(GREY)).stand_in

    def test_stays_the_same_for_the_same_request(self, patient: World, samples: Samples) -> None:
        body = body_of(seen(samples, "minister_a_1"), request_id=new_identifier())
        first = patient.answer(body)
        patient.registry.delete(patient.registry.people()[0].reference)
        patient.restart()
        assert patient.answer(body) == first
        assert first.verdict is Verdict.MATCH

    def test_is_refused_for_another_request_of_the_same_name(self, patient: World) -> None:
        request_id = new_identifier()
        patient.answer(body_of(GREY, request_id=request_id))
        other = patient.signed(body_of(GREY, name="李示例", request_id=request_id))
        assert refusal(patient, other) == "sandbox.registry_request_id_reused"

    def test_is_still_given_after_the_weights_changed(
        self, patient: World, samples: Samples, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = patient.registry._engine
        monkeypatch.setattr(type(engine), "path_id", property(lambda _: "f" * 16))
        assert patient.verdict(seen(samples, "minister_a_1")) is Verdict.MATCH
        assert patient.verdict(seen(samples, "minister_b_1")) is Verdict.NO_MATCH

    def test_decides_at_the_threshold_that_is_proven(self, world: World) -> None:
        assert world.registry.point.fmr == 1e-3
        assert world.registry.point.fmr_upper95 <= 1e-3


class TestARequest:
    def test_is_answered_once(self, world: World) -> None:
        request = world.signed(body_of(GREY))
        world.registry.answer(request)
        assert refusal(world, request) == "sandbox.registry_request_replayed"

    def test_is_answered_once_also_after_a_restart(self, world: World) -> None:
        request = world.signed(body_of(GREY))
        world.registry.answer(request)
        world.restart()
        assert refusal(world, request) == "sandbox.registry_request_replayed"

    def test_is_not_answered_when_its_nonce_is_forgotten(self, world: World) -> None:
        request = world.signed(body_of(GREY))
        world.registry.answer(request)
        world.wait(timedelta(seconds=120))
        world.registry.purge()
        assert refusal(world, request) == "terminals.signature_stale"

    @pytest.mark.parametrize(
        ("skew", "expected"),
        [(-61, "terminals.signature_stale"), (6, "terminals.signature_future")],
    )
    def test_too_old_or_from_the_future_is_refused(
        self, world: World, skew: int, expected: str
    ) -> None:
        request = world.signed(body_of(GREY), created=START + skew * SECOND)
        assert refusal(world, request) == expected

    def test_of_an_unknown_platform_is_refused(self, world: World) -> None:
        stranger = SigningKey.generate(Algorithm.ECDSA_P256_SHA256)
        request = world.signed(body_of(GREY), key=stranger)
        assert refusal(world, request) == "sandbox.registry_caller_unknown"

    def test_for_another_registry_is_refused(self, world: World) -> None:
        elsewhere = TARGET.replace("8609", "9999")
        request = world.signed(body_of(GREY), target=elsewhere)
        assert refusal(world, request) == "terminals.signature_wrong"

    def test_whose_content_was_changed_is_refused(self, world: World) -> None:
        request = world.signed(body_of(GREY))
        forged = replace(request, body=body_of(GREY, name="李示例"))
        assert refusal(world, forged) == "terminals.body_altered"

    def test_without_a_field_is_refused(self, world: World) -> None:
        request = world.signed(body_of(GREY))
        for lacking in (
            replace(request, signature=[]),
            replace(request, signature_input=[]),
            replace(request, content_digest=[]),
        ):
            assert refusal(world, lacking) == "terminals.signature_malformed"

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"request_id": "x"}'])
    def test_of_another_form_is_refused(self, world: World, body: bytes) -> None:
        assert refusal(world, world.signed(body)) == "sandbox.registry_body_invalid"


class TestPuttingIn:
    @pytest.mark.parametrize(
        ("number", "name", "code"),
        [
            ("11010119800307001X", NAME, "core.id_number_invalid"),
            (SOMEBODYS, NAME, "sandbox.registry_number_not_fictional"),
            (NUMBER[:-1], NAME, "core.id_number_invalid"),
            (NUMBER, "  ", "sandbox.registry_name_invalid"),
            (NUMBER, "张" * 51, "sandbox.registry_name_invalid"),
            (NUMBER, "张\n示例", "sandbox.registry_name_invalid"),
        ],
    )
    def test_somebody_who_is_not_fictional_or_has_no_name_is_refused(
        self, world: World, samples: Samples, number: str, name: str, code: str
    ) -> None:
        with pytest.raises(Refused) as refused:
            world.registry.put_photo(number, name, samples["minister_a_2"].encoded)
        assert refused.value.kind.code == code
        assert world.registry.people() == []

    def test_a_poor_photo_is_refused_with_what_is_wrong(
        self, world: World, samples: Samples
    ) -> None:
        dark = jpeg(np.asarray(samples["minister_a_2"].picture() * 0.1, np.uint8))
        with pytest.raises(Refused) as refused:
            world.registry.put_photo(NUMBER, NAME, dark)
        assert refused.value.details["hint"] == Hint.TOO_DARK.value
        assert refused.value.details["hint_zh"] == HINT_WORDS[Hint.TOO_DARK].zh
        assert world.registry.people() == []

    def test_a_picture_without_a_face_is_told(self, world: World) -> None:
        assert world.registry.look(GREY).hint is Hint.NO_FACE

    def test_looking_keeps_nothing(self, world: World, samples: Samples) -> None:
        assert world.registry.look(samples["minister_a_2"].encoded).usable
        assert world.registry.people() == []

    def test_a_new_photo_takes_the_place_of_the_old_one(
        self, patient: World, samples: Samples
    ) -> None:
        patient.registry.put_photo(NUMBER, NAME, samples["minister_b_1"].encoded)
        assert len(patient.registry.people()) == 1
        assert patient.verdict(seen(samples, "minister_a_1")) is Verdict.NO_MATCH

    def test_people_are_listed_masked(self, patient: World) -> None:
        (one,) = patient.registry.people()
        assert (one.masked_name, one.usable, one.hours_left) == ("张*例", True, 24)
        assert one.masked_id_number == f"99{'*' * 14}{NUMBER[-2:]}"

    def test_there_is_room_for_so_many_and_no_more(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "PEOPLE_MAX", 2)
        world.registry.put_person(NUMBER, NAME)
        world.registry.put_person(fictional("19750702"), NAME)
        with pytest.raises(Refused, match="registry_full"):
            world.registry.put_person(fictional("19801111"), NAME)

    def test_every_hint_has_words_in_two_languages(self) -> None:
        assert set(HINT_WORDS) == set(Hint)
        assert all(words.zh and words.en.isascii() for words in HINT_WORDS.values())

    def test_fictional_numbers_are_valid_and_nobodys(self) -> None:
        for _ in range(200):
            number = parse_id_number(fictional_number(), today=business_date(START))
            assert number.is_sandbox


class TestForgetting:
    def test_a_person_is_gone_after_24_hours_whoever_asks(
        self, patient: World, samples: Samples
    ) -> None:
        picture = seen(samples, "minister_a_1")
        patient.wait(KEPT - SECOND)
        assert patient.verdict(picture) is Verdict.MATCH
        assert patient.registry.people()[0].hours_left == 1
        patient.wait(SECOND)
        assert patient.verdict(picture) is Verdict.NOT_FOUND
        assert patient.registry.people() == []

    def test_a_question_alone_deletes_what_is_due(self, patient: World) -> None:
        patient.wait(KEPT)
        patient.verdict(GREY, number=fictional("19750702"))
        assert patient.registry.purge() == 0

    def test_the_timer_deletes_what_nobody_asks_for(self, patient: World) -> None:
        patient.wait(KEPT)
        assert patient.registry.purge() == 1

    def test_a_person_can_be_deleted_at_once(self, patient: World) -> None:
        (one,) = patient.registry.people()
        patient.registry.delete(one.reference)
        assert patient.registry.people() == []
        with pytest.raises(Refused, match="registry_photo_not_found"):
            patient.registry.delete(one.reference)


class TestAtRest:
    def test_nothing_of_a_person_lies_in_the_clear(self, patient: World, samples: Samples) -> None:
        picture = seen(samples, "minister_a_1")
        patient.verdict(picture)
        sealed = patient.registry._database.read(lambda each: store.everybody(each, now=START))[0]
        record = patient.registry._opened(sealed)
        assert record.photo is not None
        assert record.template is not None
        secrets = [
            NUMBER.encode(),
            NAME.encode(),
            NAME.encode("unicode_escape"),
            samples["minister_a_2"].encoded[:64],
            picture[200:264],
            record.photo[200:264],
            record.photo[-64:],
            _bytes(record.template)[:32],
        ]
        content = b"".join(path.read_bytes() for path in _files(patient.folder))
        assert len(content) > 20_000
        assert [secret for secret in secrets if secret in content] == []

    def test_the_folder_is_its_owners(self, patient: World) -> None:
        assert patient.folder.stat().st_mode & 0o077 == 0
        assert [path for path in _files(patient.folder) if path.stat().st_mode & 0o077] == []

    def test_nothing_prints_a_person(self, patient: World) -> None:
        sealed = patient.registry._database.read(lambda each: store.everybody(each, now=START))[0]
        printed = repr((sealed, patient.registry._opened(sealed), patient.registry.people()))
        assert NAME not in printed
        assert NUMBER not in printed
        assert len(printed) < 1_000


def test_every_refusal_is_of_this_part_and_named_once() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    assert all(kind.code.startswith("sandbox.registry_") for kind in REFUSALS)
    assert all(len(kind.code) <= 48 for kind in REFUSALS)


def _bytes(template: NDArray[np.float32]) -> bytes:
    return template.astype("<f4").tobytes()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
