"""Shualian (刷脸就医): one face opens the record, books, registers and settles."""
