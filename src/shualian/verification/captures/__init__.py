"""Captures over a WebSocket: numbered, chained frames in; hints, prompts and one result out."""
