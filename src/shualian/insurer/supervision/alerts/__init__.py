"""Alerts for the supervisor: something happened that a person must look into."""
