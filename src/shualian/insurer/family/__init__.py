"""Family bindings (亲情账户): who may use whose e-voucher with their own face."""
