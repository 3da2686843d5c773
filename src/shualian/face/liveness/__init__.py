"""Presentation attack detection (ISO/IEC 30107-3): passive score, active challenge, one decision.

Presentation attacks only (something held before the camera). Injection, that is pictures fed in
behind the camera, is the terminal's matter.
"""
