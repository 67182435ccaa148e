"""The demo: a tour of the platform with real data, in which every number is read back from the system and checked."""
