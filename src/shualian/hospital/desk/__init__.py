"""The doctor's desk: everything that stands on the screen as the patient sits down."""
