"""Who it is: how many people may be searched, and when a score names one of them."""
