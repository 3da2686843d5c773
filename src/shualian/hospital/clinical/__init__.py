"""What doctors say and order: diagnoses, and orders from the draft to the patient."""
