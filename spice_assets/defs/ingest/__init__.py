"""From an uploaded file to a dataset version."""
