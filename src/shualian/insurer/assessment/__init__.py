"""The impact assessment of face data, made from what runs, and the duty to file."""
