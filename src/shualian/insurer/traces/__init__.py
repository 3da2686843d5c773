"""Trace codes of medicine: each box is sold once in the whole region."""
