"""From an aligned crop to a biometric feature vector (SFace: Zhong and others, 2021)."""

import numpy as np

from shualian.face.model import Embedding, Picture
from shualian.face.weights.graph import tidy
from shualian.face.weights.session import Network, as_batch


class FaceEmbedder:
    """SFace behind one verb; thread-safe."""

    dimension = 128

    def __init__(self, content: bytes) -> None:
        """Load the published ONNX file's bytes."""
        self._network = Network(tidy(content))

    def embed(self, crop: Picture, *, flip: bool) -> Embedding:
        """The unit vector of a 112 x 112 BGR crop.

        Args:
            crop: Aligned face.
            flip: Add the vector of the mirrored crop before normalizing: steadier, twice the time.
        """
        rgb = crop[:, :, ::-1]
        vector = self._raw(rgb)
        if flip:
            vector = vector + self._raw(rgb[:, ::-1])
        return unit(vector)

    def _raw(self, rgb: Picture) -> Embedding:
        vector: Embedding = self._network.run(as_batch(rgb))["fc1"][0]
        return vector


def unit(vector: Embedding) -> Embedding:
    """The vector at length one.

    Raises:
        ValueError: If it has no direction.
    """
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0.0:
        raise ValueError("a vector without direction")
    return (vector / length).astype(np.float32)
