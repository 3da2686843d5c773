"""How a person gets and changes what they sign in with."""
