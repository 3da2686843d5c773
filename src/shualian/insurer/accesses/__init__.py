"""The access log of a person: what was done with their identity, and who looked at the log."""
