"""How a terminal fares: its heartbeat, and what it and its captures say about risk."""
