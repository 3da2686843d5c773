"""The reference terminal agent: keeps a key, enrols, signs requests, reports its state."""
