"""Somebody at a terminal rings, and a named member of staff hears it and comes."""
