"""The insurer: insured persons, benefits, settlement, funds."""
