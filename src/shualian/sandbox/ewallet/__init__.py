"""A stand-in of the e-wallet (演练用替身): a real server with its own books; no real money."""
