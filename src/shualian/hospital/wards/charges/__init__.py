"""What a stay costs: each day once, and what is ordered on the ward."""
