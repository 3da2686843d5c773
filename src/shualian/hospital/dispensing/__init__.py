"""Medicine from the prescription into the patient's hand, and back."""
