"""Benefits: policy, person, year and bill in, every amount and its reason out."""
