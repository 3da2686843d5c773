"""Dialysis: sessions with a standing order set, and who has not settled."""
