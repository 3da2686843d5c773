"""Erasing what is held of a face, in every store, with a receipt."""
