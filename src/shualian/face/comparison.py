"""Comparing two feature vectors."""

from shualian.face.model import Embedding

COMPARATOR_ID = "cosine"
"""Names this comparator in a calibration."""


def similarity(probe: Embedding, reference: Embedding) -> float:
    """Cosine similarity of two unit vectors of one operational path, -1..1, higher is more alike.

    Raises:
        ValueError: If their lengths differ.
    """
    if probe.shape != reference.shape:
        raise ValueError("vectors of different paths cannot be compared")
    return float(probe @ reference)
