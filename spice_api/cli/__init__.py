"""The command line `spice`: one module per group of commands, each parse -> one service -> report."""
