"""The cashier: the own share in cash, and the receipt."""
