"""Every sentence that is spoken has a recorded clip of exactly its words."""

import json
from pathlib import Path

import pytest

VOICE = Path(__file__).parents[2] / "web" / "voice"
CLIPS_BYTES_MAX = 1_000_000


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads(
        (VOICE / "manifest.json").read_text("utf-8")
    )
    return found


def _sentences() -> dict[str, str]:
    files = (VOICE / "prompts.json", VOICE.parent / "contract" / "spoken.json")
    return {k: v for file in files for k, v in json.loads(file.read_text("utf-8")).items()}


def test_every_sentence_has_a_clip_of_its_words(
    manifest: dict[str, dict[str, dict[str, object]]],
) -> None:
    recorded = {key: clip["zh"] for key, clip in manifest["clips"].items()}

    assert recorded == _sentences(), "run web/voice/make_clips.py"


def test_every_clip_is_an_opus_file_that_lasts(
    manifest: dict[str, dict[str, dict[str, object]]],
) -> None:
    for clip in manifest["clips"].values():
        content = (VOICE / "clips" / str(clip["file"])).read_bytes()

        assert content.startswith(b"OggS")
        assert b"OpusHead" in content[:100]
        assert isinstance(clip["ms"], int)
        assert clip["ms"] > 200


def test_the_clips_are_small_and_none_is_left_over(
    manifest: dict[str, dict[str, dict[str, object]]],
) -> None:
    files = set((VOICE / "clips").iterdir())

    assert {file.name for file in files} == {clip["file"] for clip in manifest["clips"].values()}
    assert sum(file.stat().st_size for file in files) < CLIPS_BYTES_MAX


def test_it_is_said_whether_a_speaker_has_heard_the_clips(
    manifest: dict[str, object],
) -> None:
    assert manifest["heard_by_a_speaker"] in (True, False)
