"""Chaos: random payments against real processes that are killed, over a network that fails."""
