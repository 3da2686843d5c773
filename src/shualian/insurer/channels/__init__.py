"""Certified channels (Alipay, WeChat, the national app, banks) that activate vouchers."""
