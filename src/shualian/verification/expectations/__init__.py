"""Who is expected at an institution today, and whom a doctor has called at which terminal."""
