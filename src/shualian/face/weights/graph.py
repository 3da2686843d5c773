"""Tidying ONNX graphs: the same numbers, faster."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET = 13


def tidy(content: bytes) -> bytes:
    """The model with initializers taken out of the inputs and PRelu written as two Relus.

    Initializers listed as inputs may be overridden by a caller, which keeps the runtime from
    folding batch normalization into convolutions; and the runtime's PRelu kernel takes more than
    half the time of SFace. Outputs differ by less than 1e-5.
    """
    model = onnx.load_model_from_string(content)
    _constants_are_not_inputs(model.graph)
    prelu_as_relus(model.graph)
    return bytes(model.SerializeToString())


def with_free_image_size(content: bytes) -> bytes:
    """The model with height and width of its one input left open."""
    model = onnx.load_model_from_string(content)
    _constants_are_not_inputs(model.graph)
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "height", "width"
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"{output.name}_cells"
    return bytes(model.SerializeToString())


def prelu_as_relus(graph: onnx.GraphProto) -> None:
    """Replace each ``PRelu(x, slope)`` by ``Relu(x) - slope * Relu(-x)`` in place.

    The two channel-wise factors, -1 and -slope, are written as batch normalizations, because the
    runtime keeps those in its blocked layout and fuses them; plain products cost twice as much.
    """
    slopes = {initializer.name: initializer for initializer in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "PRelu":
            slope = numpy_helper.to_array(slopes[node.input[1]]).ravel()
            nodes += _relus(graph, node.input[0], slope, node.output[0])
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _relus(
    graph: onnx.GraphProto, x: str, slope: NDArray[np.float32], y: str
) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Relu", [x], [f"{y}:up"]),
        _scaling(graph, x, -np.ones_like(slope), f"{y}:minus"),
        helper.make_node("Relu", [f"{y}:minus"], [f"{y}:down"]),
        _scaling(graph, f"{y}:down", -slope, f"{y}:scaled"),
        helper.make_node("Add", [f"{y}:scaled", f"{y}:up"], [y]),
    ]


def _scaling(
    graph: onnx.GraphProto, x: str, factors: NDArray[np.float32], y: str
) -> onnx.NodeProto:
    """A node that multiplies each channel by its factor."""
    zeros, ones = np.zeros_like(factors), np.ones_like(factors)
    parts = {"factors": factors, "bias": zeros, "mean": zeros, "variance": ones}
    graph.initializer.extend(
        numpy_helper.from_array(values, f"{y}:{part}") for part, values in parts.items()
    )
    inputs = [x, *(f"{y}:{part}" for part in parts)]
    return helper.make_node("BatchNormalization", inputs, [y], epsilon=0.0)


def _constants_are_not_inputs(graph: onnx.GraphProto) -> None:
    constants = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
