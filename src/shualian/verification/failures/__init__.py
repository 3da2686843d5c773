"""Why a scan fails, in words that a person can act on: a closed set, and what leads to it."""
