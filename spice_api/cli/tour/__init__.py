"""The tour of `spice demo`, with real data: every number is read back from the system and checked."""
