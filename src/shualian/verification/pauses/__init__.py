"""Growing pauses of the face after failures, per terminal and per claimed identity."""
