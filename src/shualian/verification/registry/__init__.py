"""The police registry: what it is asked, what it answers, and what each answer means here."""
