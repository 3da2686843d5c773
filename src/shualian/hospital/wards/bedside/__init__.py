"""Settlement of a stay: at the bed in its middle, and at its end."""
