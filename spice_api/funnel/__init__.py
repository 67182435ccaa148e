"""Funnel: types of columns, inferred."""
