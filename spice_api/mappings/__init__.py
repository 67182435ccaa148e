"""Mappings: how the rows of a dataset become instances, and runs of them."""
