"""Use cases: one verb phrase per file, ports passed in."""
