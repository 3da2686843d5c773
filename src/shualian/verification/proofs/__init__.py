"""Face proofs: what a person confirmed, and how often it may be used."""
