"""Branches of a database's graph."""
