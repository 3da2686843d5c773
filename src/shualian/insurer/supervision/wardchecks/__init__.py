"""Ward checks: drawn at random, told at the moment, answered by face at the bed."""
