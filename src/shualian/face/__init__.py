"""Pixels in, measurements out: weights, detection, quality, liveness, embedding, calibration."""
