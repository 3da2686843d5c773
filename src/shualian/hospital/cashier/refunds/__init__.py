"""Refunds: each part of a payment goes back where it came from."""
