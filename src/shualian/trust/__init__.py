"""Keys and what they protect: the key provider and sealed fields."""
