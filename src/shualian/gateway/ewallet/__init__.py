"""The e-wallet (电子支付账户): its wire format, the client that commands it, its notifications."""
