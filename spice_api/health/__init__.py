"""Whether an app is up, and whether the parts behind it answer; Prometheus metrics."""
