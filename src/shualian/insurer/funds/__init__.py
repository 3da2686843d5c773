"""Funds and accounts: a double-entry ledger that only grows, and personal account balances."""
