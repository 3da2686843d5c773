"""Medicine on the shelf: batches, their movements and what is free of them."""
