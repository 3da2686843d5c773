"""Wire formats and clients: how the house speaks with the outside world."""
