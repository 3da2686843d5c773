"""Ground that every part stands on: identifiers, money, time, refusals, settings, database."""
