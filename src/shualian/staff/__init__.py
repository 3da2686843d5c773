"""Staff of hospitals and of the insurer: accounts, roles, sign-in."""
