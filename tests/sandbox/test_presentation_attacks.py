"""Simulated attacks: repeatable, each species with its marks, the set as evaluation reads it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from shualian.core.refusals import Refused
from shualian.face.evaluation.manifest import ATTACK_COLUMNS, attack_type, read_manifest
from shualian.face.model import MANIFEST_INVALID, Picture
from shualian.face.pictures import read_picture
from shualian.sandbox.presentation_attacks import (
    FRAME_SIDE_MIN,
    AttackKind,
    simulate,
    simulate_bona_fide,
    write_attack_set,
)
from shualian.sandbox.samples import SamplePicture

HIDDEN = (AttackKind.PRINT_EDGES_HIDDEN, AttackKind.SCREEN_EDGES_HIDDEN)


def plain(colour: tuple[int, int, int], height: int = 480, width: int = 480) -> Picture:
    return np.full((height, width, 3), colour, np.uint8)


def saturation(frame: Picture) -> float:
    return float(cv2.cvtColor(frame, cv2.COLOR_BGR2HSV)[..., 1].mean())


def greenish(frame: Picture) -> np.ndarray[tuple[int, int], np.dtype[np.bool]]:
    blue, green, red = (cv2.blur(frame, (9, 9))[..., channel].astype(int) for channel in range(3))
    return (green > blue + 12) & (green > red + 12)


class TestCaptures:
    @pytest.mark.parametrize("kind", AttackKind)
    def test_picture_kind_and_seed_determine_the_capture(self, kind: AttackKind) -> None:
        picture = plain((90, 120, 160))
        capture = simulate(picture, kind, 5)
        assert np.array_equal(capture, simulate(picture.copy(), kind, 5))
        assert not np.array_equal(capture, simulate(picture, kind, 6))

    def test_pictures_of_one_set_are_not_held_alike(self) -> None:
        kind = AttackKind.PRINT_SHEET_VISIBLE
        one, other = (simulate(plain((0, 120, blue)), kind, 5).astype(int) for blue in (0, 1))
        assert np.abs(one - other).mean() > 5

    @pytest.mark.parametrize("kind", AttackKind)
    @pytest.mark.parametrize("size", [(480, 640), (150, 120)])
    def test_the_frame_has_the_proportions_of_the_picture(
        self, kind: AttackKind, size: tuple[int, int]
    ) -> None:
        frame = simulate(plain((90, 120, 160), *size), kind, 1)
        assert frame.dtype == np.uint8
        assert min(frame.shape[:2]) >= FRAME_SIDE_MIN
        assert frame.shape[1] / frame.shape[0] == pytest.approx(size[1] / size[0], rel=0.01)

    def test_the_bona_fide_capture_is_the_picture_with_a_cameras_traces(
        self, samples: Mapping[str, SamplePicture]
    ) -> None:
        picture = samples["astronaut_1"].picture()
        capture = simulate_bona_fide(picture, 3)
        assert capture.shape == picture.shape
        assert 1 < np.abs(capture.astype(int) - picture).mean() < 25

    @pytest.mark.parametrize("seed", range(3))
    def test_nothing_but_the_instrument_is_seen_when_its_edges_are_hidden(self, seed: int) -> None:
        for kind in HIDDEN:
            assert greenish(simulate(plain((20, 170, 20)), kind, seed)).mean() > 0.999

    @pytest.mark.parametrize("seed", range(3))
    def test_a_room_is_seen_round_a_sheet_or_bezel(self, seed: int) -> None:
        for kind in set(AttackKind) - set(HIDDEN):
            covered = greenish(simulate(plain((20, 170, 20)), kind, seed))
            assert 0.2 < covered.mean() < 0.75
            assert not covered[0].any()

    def test_ink_is_duller_than_the_picture(self) -> None:
        picture = plain((20, 40, 200))
        for seed in range(3):
            print_ = simulate(picture, AttackKind.PRINT_EDGES_HIDDEN, seed)
            assert saturation(print_) < saturation(simulate_bona_fide(picture, seed)) - 15

    def test_black_shines_on_a_screen_and_is_grey_on_paper(self) -> None:
        black = plain((0, 0, 0))
        for kind in HIDDEN:
            levels = [simulate(black, kind, seed).mean() for seed in range(3)]
            live = [simulate_bona_fide(black, seed).mean() for seed in range(3)]
            assert min(levels) > max(live)

    def test_a_screens_grid_leaves_regular_lines_in_the_spectrum(self) -> None:
        def peak(frame: Picture) -> float:
            """Strongest fine structure by the median one, beyond the slow changes of light."""
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float64)
            spectrum = np.abs(np.fft.rfft2(grey - cv2.blur(grey, (31, 31))))[:, 20:]
            return float(spectrum.max() / np.median(spectrum))

        picture = plain((150, 150, 150))
        screens = [
            peak(simulate(picture, AttackKind.SCREEN_EDGES_HIDDEN, seed)) for seed in range(4)
        ]
        live = [peak(simulate_bona_fide(picture, seed)) for seed in range(4)]
        assert float(np.median(screens)) > 3 * max(live)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of three pictures of two people."""
    folder = tmp_path_factory.mktemp("people")
    for number, colour in enumerate([(60, 90, 120), (60, 95, 125), (30, 60, 90)]):
        cv2.imwrite(str(folder / f"{number}.png"), plain(colour, 80, 80))
    manifest = folder / "people.csv"
    manifest.write_text("identity,file,group\nann,0.png,x\nann,1.png,x\nbob,2.png,y\n")
    return manifest


@pytest.fixture(scope="module")
def written(people: Path) -> Path:
    """The manifest of the set made from ``people`` with seed 9."""
    return write_attack_set(people, people.parent / "out" / "set", 9)


class TestTheSet:
    def test_each_person_gives_one_capture_of_each_species_and_one_bona_fide(
        self, written: Path
    ) -> None:
        manifest = read_manifest(written, ATTACK_COLUMNS)
        assert manifest.columns == ("file", "kind", "attack")
        kinds = Counter(row.values["kind"] for row in manifest.rows)
        assert kinds == {"live": 2, "attack": 8}
        attacks = [row for row in manifest.rows if row.values["kind"] == "attack"]
        species = Counter(attack_type(row) for row in attacks)
        assert species == dict.fromkeys([kind.value for kind in AttackKind], 2)

    def test_the_files_are_the_simulated_captures_again_for_the_same_seed(
        self, people: Path, written: Path
    ) -> None:
        picture = read_picture(people.parent / "2.png")
        live, *attacks = read_manifest(written, ATTACK_COLUMNS).rows[5:]
        assert np.array_equal(read_picture(live.path), simulate_bona_fide(picture, 9))
        for row in attacks:
            expected = simulate(picture, AttackKind(row.values["attack"]), 9)
            assert np.array_equal(read_picture(row.path), expected)

    def test_no_file_or_line_names_a_person(self, written: Path) -> None:
        texts = [written.read_text(), *(file.name for file in written.parent.iterdir())]
        assert not any(name in text for name in ("ann", "bob") for text in texts)

    def test_a_wrong_manifest_writes_nothing(self, tmp_path: Path) -> None:
        manifest = tmp_path / "wrong.csv"
        manifest.write_text("who,file\nann,0.png\n")
        with pytest.raises(Refused) as refused:
            write_attack_set(manifest, tmp_path / "out", 9)
        assert refused.value.kind is MANIFEST_INVALID
        assert not (tmp_path / "out").exists()
