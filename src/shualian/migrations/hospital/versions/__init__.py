"""Revisions of the hospital database."""
