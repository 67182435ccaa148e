"""Redis: what processes share and can do without."""
