"""What was prescribed, as its charge items; what keeps its money where it is."""
