"""Supervision: doctors' sign-ins, ward checks, and the alerts that come of them."""
