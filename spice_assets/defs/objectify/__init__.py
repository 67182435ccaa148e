"""From dataset versions to instances of the graph."""
