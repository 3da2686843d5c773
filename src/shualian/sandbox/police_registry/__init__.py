"""A stand-in of the police registry (演练用替身): a real server with its own state and page."""
