"""Instances: writing them asynchronously, reading them at a branch."""
