"""A hospital's price lists: each holds from a day on."""
