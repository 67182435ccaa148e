"""Asking the graph: hops over links, joined with documents."""
