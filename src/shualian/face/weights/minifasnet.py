"""MiniFASNet as an ONNX graph, built from its checkpoint's tensors.

The network (Silent-Face-Anti-Spoofing) is a MobileFaceNet-like chain of depth-wise blocks; the
checkpoint's names and shapes tell its structure, only strides and residuals are told here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shualian.face.weights.graph import OPSET, prelu_as_relus

INPUT_SIDE = 80
"""Pixels of the square input, BGR 0..255."""

_EPSILON = 1e-5
_STRIDED = frozenset({"conv1", "conv_23.conv_dw", "conv_34.conv_dw", "conv_45.conv_dw"})
_STAGES = ("conv_23", "conv_3", "conv_34", "conv_4", "conv_45", "conv_5")

Tensors = Mapping[str, NDArray[Any]]


def minifasnet_graph(tensors: Tensors) -> bytes:
    """The serialized ONNX model: input ``image`` Nx3x80x80, output ``score`` Nx3 (softmax)."""
    return _Builder(tensors).build()


class _Builder:
    """Emits nodes layer by layer; each method takes a value's name and returns the next one."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def build(self) -> bytes:
        value = self._conv_block("image", "conv1")
        value = self._conv_block(value, "conv2_dw")
        for stage in _STAGES:
            value = self._stage(value, stage)
        value = self._conv_block(value, "conv_6_sep")
        value = self._conv_block(value, "conv_6_dw")
        value = self._emit("Flatten", [value], "flat", axis=1)
        value = self._linear(value, "linear")
        value = self._batch_normalization(value, "bn")
        value = self._linear(value, "prob")
        self._nodes.append(helper.make_node("Softmax", [value], ["score"], axis=1))
        return self._model()

    def _model(self) -> bytes:
        shape = ["batch", 3, INPUT_SIDE, INPUT_SIDE]
        graph = helper.make_graph(
            self._nodes,
            "minifasnet",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 3])],
            self._initializers,
        )
        prelu_as_relus(graph)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        return bytes(model.SerializeToString())

    def _stage(self, value: str, stage: str) -> str:
        if f"{stage}.conv.conv.weight" in self._tensors:
            return self._depth_wise(value, stage)
        block = 0
        while f"{stage}.model.{block}.conv.conv.weight" in self._tensors:
            name = f"{stage}.model.{block}"
            value = self._emit("Add", [value, self._depth_wise(value, name)], f"{name}.sum")
            block += 1
        return value

    def _depth_wise(self, value: str, name: str) -> str:
        for layer in ("conv", "conv_dw", "project"):
            value = self._conv_block(value, f"{name}.{layer}")
        if f"{name}.se_module.fc1.weight" in self._tensors:
            value = self._squeeze_excitation(value, f"{name}.se_module")
        return value

    def _squeeze_excitation(self, value: str, name: str) -> str:
        gate = self._emit("GlobalAveragePool", [value], f"{name}.pool")
        gate = self._batch_normalization(self._conv(gate, f"{name}.fc1"), f"{name}.bn1")
        gate = self._emit("Relu", [gate], f"{name}.relu")
        gate = self._batch_normalization(self._conv(gate, f"{name}.fc2"), f"{name}.bn2")
        gate = self._emit("Sigmoid", [gate], f"{name}.sigmoid")
        return self._emit("Mul", [value, gate], f"{name}.out")

    def _conv_block(self, value: str, name: str) -> str:
        stride = 2 if name in _STRIDED else 1
        value = self._conv(value, f"{name}.conv", stride)
        value = self._batch_normalization(value, f"{name}.bn")
        if f"{name}.prelu.weight" not in self._tensors:
            return value
        slope = self._constant(f"{name}.prelu.weight", (-1, 1, 1))
        return self._emit("PRelu", [value, slope], f"{name}.prelu")

    def _conv(self, value: str, name: str, stride: int = 1) -> str:
        weight = self._tensors[f"{name}.weight"]
        outputs, inputs_of_group, kernel = weight.shape[:3]
        depth_wise = inputs_of_group == 1
        padding = 1 if kernel == 3 else 0
        return self._emit(
            "Conv",
            [value, self._constant(f"{name}.weight")],
            f"{name}.out",
            group=outputs if depth_wise else 1,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[padding] * 4,
        )

    def _batch_normalization(self, value: str, name: str) -> str:
        parts = ("weight", "bias", "running_mean", "running_var")
        inputs = [self._constant(f"{name}.{part}") for part in parts]
        return self._emit("BatchNormalization", [value, *inputs], f"{name}.out", epsilon=_EPSILON)

    def _linear(self, value: str, name: str) -> str:
        weight = self._constant(f"{name}.weight")
        return self._emit("Gemm", [value, weight], f"{name}.out", transB=1)

    def _emit(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, shape: tuple[int, ...] | None = None) -> str:
        array = np.ascontiguousarray(self._tensors[name], np.float32)
        if shape is not None:
            array = array.reshape(shape)
        self._initializers.append(numpy_helper.from_array(array, name))
        return name
