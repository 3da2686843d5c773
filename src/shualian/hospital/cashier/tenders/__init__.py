"""Tenders: how the cash share of a payment is paid at the window."""
