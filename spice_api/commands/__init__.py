"""Following commands."""
