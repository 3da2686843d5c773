"""Running a graph: one thread a call, safe to call from many threads."""

from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shualian.core.database import forbid_in_transaction


class Network:
    """A loaded graph with one image input."""

    def __init__(self, content: bytes) -> None:
        """Load a serialized ONNX model; raises what the runtime raises on a broken one."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """The outputs by name for one NCHW batch."""
        forbid_in_transaction("inference")
        values = self._session.run(self._outputs, {self._input: image})
        return dict(zip(self._outputs, values, strict=True))


def as_batch(*pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures of one size (H x W x 3) as a float batch N x 3 x H x W, values 0..255."""
    stacked = np.stack(pictures).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked, np.float32)
