"""Which type each column of a text table has: evidence in, types with reasons out.

The evidence per column is what `TableEngine.profile` returns: total, empty, distinct, min_length, max_length, values (pairs of
text and count), null_words (words and counts), fits (reading to count), marks (pattern to count), digits (reading to most
digits before and behind the point), recognised (recogniser to count, of `examined` sampled values).
"""

from collections.abc import Mapping
from dataclasses import replace

from spice_core.domain.inference.booleans import boolean_type
from spice_core.domain.inference.calendar import compact_date_type, date_time_type, date_type
from spice_core.domain.inference.column_types import ColumnType, Evidence, given_values
from spice_core.domain.inference.conventions import settled
from spice_core.domain.inference.null_words import is_null_word
from spice_core.domain.inference.numbers import number_type
from spice_core.domain.inference.risks import risks_of
from spice_core.domain.inference.stated import STATED_TYPES, stated_readings, stated_type
from spice_core.domain.inference.texts import code_hint, identifier_type, text_type

__all__ = [
    "COMPLEX_TYPES",
    "STATED_TYPES",
    "ColumnType",
    "Evidence",
    "complex_type",
    "given_values",
    "infer_type",
    "infer_types",
    "plain_type",
    "stated_readings",
]

COMPLEX_TYPES = frozenset(
    {"email", "phone", "url", "money", "uuid", "ip", "array", "object", "coordinate", "address", "enum", "time"}
)
"""Types beyond the plain ones that a column may be said to have."""


def infer_types(evidence: Mapping[str, Evidence], *, stated: Mapping[str, str] | None = None) -> dict[str, ColumnType]:
    """Return the type of every column; `stated` are types that the source itself says, by column.

    A word such as `NA` counts as nothing in a column of numbers, dates or booleans. In a column of text it does only where
    the table uses it so elsewhere, or where it can be no text (`#N/A`, `-`).
    """
    said = stated or {}
    found = {
        column: stated_type(column, said[column], facts) if column in said else infer_type(column, facts)
        for column, facts in evidence.items()
    }
    found = settled(found, evidence)
    nulls_elsewhere = {word for entry in found.values() if entry.reading for word in entry.null_words}
    for column, entry in found.items():
        if entry.reading is None and column not in said:
            facts = evidence[column]
            words = tuple(word for word in facts["null_words"] if is_null_word(word, facts, nulls_elsewhere))
            found[column] = replace(entry, null_words=words)
    return {column: replace(entry, risks=tuple(risks_of(entry, evidence[column]))) for column, entry in found.items()}


def infer_type(column: str, facts: Evidence) -> ColumnType:
    """Return the type of one column by its own evidence; text where nothing fits well enough."""
    boolean = boolean_type(column, facts, given_values(facts)) if facts["values"] else None
    if boolean is not None:
        return boolean
    given = given_values(facts)
    if given <= 0:
        return ColumnType(column, "string", 0.0, "the column has no values")
    for candidate in (compact_date_type, number_type, date_type, date_time_type, identifier_type):
        chosen = candidate(column, facts, given)
        if chosen is not None and chosen.reason:
            hint = code_hint(facts) if chosen.type in {"integer", "string"} else None
            metadata = {**chosen.metadata, **({"semantic": hint} if hint else {})}
            return replace(chosen, null_words=tuple(facts["null_words"]) if chosen.reading else (), metadata=metadata)
        if chosen is not None:
            break
    return identifier_type(column, facts, given) or text_type(column, facts, given)


def complex_type(entry: ColumnType) -> str:
    """Return the finest type that a column may be said to have."""
    return entry.semantic if entry.semantic in COMPLEX_TYPES else entry.type


def plain_type(entry: ColumnType) -> str:
    """Return boolean, integer, decimal, double, date, dateTime or string."""
    return "string" if entry.type in COMPLEX_TYPES else entry.type
