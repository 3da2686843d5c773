"""Shifts: who has which drawer, what is in it, and how it is handed over."""
