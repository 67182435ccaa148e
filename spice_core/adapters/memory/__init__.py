"""Stores in memory, for simulation and unit tests."""
