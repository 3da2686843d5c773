"""Sessions of signed-in staff."""
