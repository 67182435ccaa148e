"""Stores in PostgreSQL, embedded or a server."""
