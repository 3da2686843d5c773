"""Captures of somebody who is known before the camera looks: a doctor, a patient in a bed."""
