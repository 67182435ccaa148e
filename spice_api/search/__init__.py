"""Searching documents."""
