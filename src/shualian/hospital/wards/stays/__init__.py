"""Stays: from admission to discharge, each in a bed of its own."""
