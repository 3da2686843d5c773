"""Wards: beds and stays, daily charges, settlement at the bed, dialysis."""
