"""The HTTP apps and the command line: thin entry points over the core."""
