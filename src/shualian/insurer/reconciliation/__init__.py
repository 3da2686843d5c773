"""Do insurer, institution and e-wallet tell the same of a day, and what mends each difference."""
