"""A face at a desk: staff ask the terminal beside them for one scan; it hands the proof over."""
