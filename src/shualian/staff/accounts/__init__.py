"""Accounts, the roles in force, and changes that wait for a second person."""
