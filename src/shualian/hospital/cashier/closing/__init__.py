"""Daily closing: the hospital's books beside those of the insurer and of the wallet."""
