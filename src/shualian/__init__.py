"""Shualian (刷脸就医): one face opens the record, books, registers and settles."""

from importlib.metadata import version

__version__ = version("shualian")
