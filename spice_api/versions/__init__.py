"""History, differences and ancestry of the graph's commits."""
