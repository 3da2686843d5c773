"""From a capture to a person, and from a confirmation to a face proof that is used once."""
