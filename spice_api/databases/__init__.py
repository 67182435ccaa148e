"""Databases: the unit of isolation."""
