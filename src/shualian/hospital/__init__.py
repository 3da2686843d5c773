"""The hospital: records, encounters, charges, cashier and payments."""
