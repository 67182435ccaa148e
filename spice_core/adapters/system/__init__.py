"""The clock and the random ids of the operating system."""
