"""Alembic scripts: one folder per database side; data that imports no part."""
