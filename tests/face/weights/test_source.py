import shutil
from pathlib import Path

import pytest

from shualian.core.refusals import Refused
from shualian.face.model import WEIGHTS_ALTERED, WEIGHTS_MISSING
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import WEIGHT_FILES, YUNET, WeightFile


@pytest.mark.parametrize("file", WEIGHT_FILES, ids=lambda file: file.name)
def test_installed_weights_are_the_registered_ones(source: WeightSource, file: WeightFile) -> None:
    content = source.read(file)

    assert len(content) > 100_000
    assert not source.find(file).operators_own


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        WeightSource(None, packages_folder=tmp_path).read(YUNET)

    assert refused.value.kind is WEIGHTS_MISSING
    assert "make weights" in refused.value.kind.next_en


def test_the_operators_folder_is_asked_first(source: WeightSource, tmp_path: Path) -> None:
    shutil.copy(source.find(YUNET).path, tmp_path / YUNET.name)

    assert WeightSource(tmp_path).find(YUNET).operators_own


def test_an_altered_file_in_the_operators_folder_is_refused_and_not_passed_over(
    source: WeightSource, tmp_path: Path
) -> None:
    content = bytearray(source.read(YUNET))
    content[1000] ^= 1
    (tmp_path / YUNET.name).write_bytes(content)

    with pytest.raises(Refused) as refused:
        WeightSource(tmp_path).read(YUNET)

    assert refused.value.kind is WEIGHTS_ALTERED


def test_every_file_says_licence_and_origin() -> None:
    for file in WEIGHT_FILES:
        assert file.licence
        assert file.origin
        assert len(file.sha256) == 64
