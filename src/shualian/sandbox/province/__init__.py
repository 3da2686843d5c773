"""The sample province: two regions, three institutions, their staff and 2,000 insured people."""
