"""Revisions of the insurer database."""
