"""Small SQL expressions that readings are made of."""

from spice_core.adapters.duckdb.connections import literal


def matches(text: str, pattern: str) -> str:
    """Return the SQL that says whether all of `text` (SQL) is of `pattern`."""
    return f"regexp_full_match({text}, {literal(pattern)})"
