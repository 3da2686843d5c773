import numpy as np
import onnx
import pytest

from shualian.face.weights.graph import tidy
from shualian.face.weights.minifasnet import minifasnet_graph
from shualian.face.weights.session import Network
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import MINIFASNET_V1SE, MINIFASNET_V2, SFACE, WeightFile
from shualian.face.weights.torch_reader import read_checkpoint


def test_tidying_sface_changes_no_output_by_more_than_rounding(source: WeightSource) -> None:
    published = source.read(SFACE)
    image = np.random.default_rng(7).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)

    before = Network(published).run(image)["fc1"]
    after = Network(tidy(published)).run(image)["fc1"]

    np.testing.assert_allclose(after, before, atol=1e-5)


def test_the_tidied_graph_has_one_input_and_no_prelu(source: WeightSource) -> None:
    graph = onnx.load_model_from_string(tidy(source.read(SFACE))).graph

    assert [value.name for value in graph.input] == ["data"]
    assert not any(node.op_type == "PRelu" for node in graph.node)


@pytest.mark.parametrize("file", [MINIFASNET_V2, MINIFASNET_V1SE], ids=lambda f: f.name)
def test_the_built_graph_uses_every_tensor_of_the_checkpoint(
    source: WeightSource, file: WeightFile
) -> None:
    tensors = read_checkpoint(source.read(file), name=file.name)
    model = onnx.load_model_from_string(minifasnet_graph(tensors))

    onnx.checker.check_model(model, full_check=True)
    used = {name for node in model.graph.node for name in node.input}
    prelu = {name.removesuffix(".weight") for name in tensors if name.endswith("prelu.weight")}
    scaled = {name.split(":")[0] for name in used if name.endswith(":scaled")}
    unused = tensors.keys() - used - {f"{name}.weight" for name in prelu}
    assert prelu == scaled
    assert {name.rsplit(".", 1)[1] for name in unused} == {"num_batches_tracked"}


@pytest.mark.parametrize("file", [MINIFASNET_V2, MINIFASNET_V1SE], ids=lambda f: f.name)
def test_the_built_graph_gives_probabilities(source: WeightSource, file: WeightFile) -> None:
    network = Network(minifasnet_graph(read_checkpoint(source.read(file), name=file.name)))
    image = np.random.default_rng(7).uniform(0, 255, (2, 3, 80, 80)).astype(np.float32)

    scores = network.run(image)["score"]

    assert scores.shape == (2, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-5)
