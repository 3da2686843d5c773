"""The command `shualian`."""
