"""Runs themselves: those that are in vain, and those whose process died."""
