"""Source files of every format, each by its own reader."""
