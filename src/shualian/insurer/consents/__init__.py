"""Consents of insured people: given, in force, withdrawn."""
