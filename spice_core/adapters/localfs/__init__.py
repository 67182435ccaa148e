"""Stores in a local directory."""
