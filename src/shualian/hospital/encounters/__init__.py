"""Encounters: a visit from registration to its end."""
