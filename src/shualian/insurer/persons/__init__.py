"""Insured persons: who they are (sealed) and how they are insured."""
