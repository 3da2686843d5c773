"""Who an unknown patient in danger may be: a suggestion for care, never a proof of anything."""
