"""Keys and what they protect: key provider, sealed fields, signatures, the audit chain."""
