"""Doctors' registry, and where each doctor is signed in."""
