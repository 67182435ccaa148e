"""The table engine in process."""
