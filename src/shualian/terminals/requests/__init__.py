"""Signed requests: who sent this, is it fresh, whole and new, and may this terminal do it here."""
