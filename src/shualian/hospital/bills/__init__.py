"""What a person at a terminal has to pay, found by who was just captured there."""
