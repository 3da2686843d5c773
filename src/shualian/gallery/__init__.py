"""Protected templates and exact search over them."""
