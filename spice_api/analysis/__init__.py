"""Types of columns, inferred from rows that are sent along."""
