"""A whole visit, played against the running servers over HTTP and WebSocket only."""
