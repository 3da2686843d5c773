"""Face templates of insured people: enrolled with consent, replaced by two people, expired."""
