"""Events that no retry helped."""
