"""The settings in effect, secrets masked."""
