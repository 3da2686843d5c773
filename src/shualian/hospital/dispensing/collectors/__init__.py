"""Who stands at the window of the pharmacy."""
