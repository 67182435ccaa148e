"""Connections to places outside, and the sources that are taken from them."""
