"""E-vouchers (医保码): their life, the codes that are shown, and the PIN."""
