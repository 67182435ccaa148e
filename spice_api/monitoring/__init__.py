"""How far everything is."""
