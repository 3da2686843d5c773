"""Capture sessions: one person in front of one terminal, from the touch to the confirmation."""
