"""Face picture quality: native measures, their scores 0..100, and the one hint for the person."""

from shualian.face.quality.rules import assess

__all__ = ["assess"]
