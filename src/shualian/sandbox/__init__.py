"""Stand-ins for the outside world and the sample city; named as such wherever they are seen."""
