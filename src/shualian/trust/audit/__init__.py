"""The audit chain: what happened, in an order that cannot be changed unnoticed."""
