"""Measured error rates of the face engine: ISO/IEC 19795-1 recognition, ISO/IEC 30107-3 PAD."""
