"""What follows from a verified scan: voucher, consents and template, once per session."""
