"""Visits, charge items, settlements and their cancellation (2201, 2204, 2206, 2207, 2208)."""
