"""Patient records: one person, one record, opened without typing."""
