import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shualian.core.refusals import Refused
from shualian.face.model import WEIGHTS_ALTERED
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import MINIFASNET_V1SE, MINIFASNET_V2
from shualian.face.weights.torch_reader import read_checkpoint


class _Callable:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


def _checkpoint(third: object) -> bytes:
    file = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {}, third, []):
        pickle.dump(part, file, protocol=2)
    return file.getvalue()


def test_the_tensors_of_the_published_checkpoints_are_read(source: WeightSource) -> None:
    near = read_checkpoint(source.read(MINIFASNET_V2), name="near")
    wide = read_checkpoint(source.read(MINIFASNET_V1SE), name="wide")

    assert near["conv1.conv.weight"].shape == (32, 3, 3, 3)
    assert near["prob.weight"].shape == (3, 128)
    assert any("se_module" in name for name in wide)
    assert not any(name.startswith("module.") for name in near)


@pytest.mark.parametrize("function", [print, eval, __import__, getattr], ids=lambda f: f.__name__)
def test_a_pickle_that_calls_a_function_is_refused_and_nothing_is_called(
    function: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused) as refused:
        read_checkpoint(_checkpoint({"weight": _Callable(function, "1+1")}), name="hostile")

    assert refused.value.kind is WEIGHTS_ALTERED
    assert capsys.readouterr().out == ""


def test_an_unlisted_name_of_an_allowed_module_is_refused() -> None:
    from collections import Counter

    with pytest.raises(Refused):
        read_checkpoint(_checkpoint({"weight": Counter("a")}), name="hostile")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_off_checkpoint_is_refused(source: WeightSource, part: float) -> None:
    content = source.read(MINIFASNET_V2)

    with pytest.raises(Refused):
        read_checkpoint(content[: int(len(content) * part)], name="cut")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_code(content: bytes) -> None:
    with pytest.raises(Refused):
        read_checkpoint(content, name="noise")
