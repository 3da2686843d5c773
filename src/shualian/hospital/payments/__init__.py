"""Settlements of encounters as stored state machines."""
