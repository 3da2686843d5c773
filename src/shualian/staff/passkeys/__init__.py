"""Passkeys (W3C Web Authentication): what is kept of them and the two ceremonies."""
