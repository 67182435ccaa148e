"""Why something is there."""
