"""BFF: the public API."""
