"""Workbooks through python-calamine, in a process of its own."""
