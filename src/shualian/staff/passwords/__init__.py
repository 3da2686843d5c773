"""Passwords: what is good enough, how it is kept, and the pauses after failures."""
