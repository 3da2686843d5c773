"""The window: what is open of somebody, and settling it there."""
