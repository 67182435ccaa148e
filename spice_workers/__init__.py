"""The processes that apply the log: one runner, and a few lines for each worker."""
