"""Overrides: what is outside of the rules needs a reason and a second person."""
