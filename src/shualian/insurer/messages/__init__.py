"""What people are told about their own matters: an inbox, read at a terminal or in an app."""
