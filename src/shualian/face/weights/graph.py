"""Tidying ONNX graphs: the same numbers, faster."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 13


def tidy(content: bytes) -> bytes:
    """The model with initializers taken out of the inputs and PRelu written as two Relus.

    Initializers listed as inputs may be overridden by a caller, which keeps the runtime from
    folding batch normalization into convolutions; and the runtime's PRelu kernel takes half the
    time of SFace. Outputs differ by less than 1e-6.
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
    """Replace each ``PRelu(x, slope)`` by ``Relu(x) - slope * Relu(-x)`` in place."""
    nodes = []
    slopes = {i.name: i for i in graph.initializer}
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        x, slope, y = node.input[0], node.input[1], node.output[0]
        negative_slope = f"{y}:negative_slope"
        values = -numpy_helper.to_array(slopes[slope])
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), negative_slope))
        nodes += [
            helper.make_node("Relu", [x], [f"{y}:up"]),
            helper.make_node("Neg", [x], [f"{y}:minus"]),
            helper.make_node("Relu", [f"{y}:minus"], [f"{y}:down"]),
            helper.make_node("Mul", [f"{y}:down", negative_slope], [f"{y}:scaled"]),
            helper.make_node("Add", [f"{y}:up", f"{y}:scaled"], [y]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def _constants_are_not_inputs(graph: onnx.GraphProto) -> None:
    constants = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
