"""The emergency desk: treated at once, known later."""
