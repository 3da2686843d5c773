"""E-payment accounts (电子支付账户): what a hospital asks of them and what it believes."""
