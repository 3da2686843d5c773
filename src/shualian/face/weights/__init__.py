"""Model weights: which files, from where, and how they become runnable graphs."""
