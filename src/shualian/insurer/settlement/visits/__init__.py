"""Visits and their charge items: registration, stay, information, upload and withdrawal."""
