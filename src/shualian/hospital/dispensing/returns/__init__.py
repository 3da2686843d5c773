"""Medicine that comes back."""
