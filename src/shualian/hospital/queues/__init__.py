"""In which order patients are called."""
