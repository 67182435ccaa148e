"""What to look at in a column before one relies on its type."""

from collections.abc import Iterator

from spice_core.domain.inference.column_types import FEW, ColumnType, Evidence, given_values
from spice_core.domain.key_candidates import is_key_name

_DATED = frozenset({"date", "dateTime"})


def risks_of(entry: ColumnType, facts: Evidence) -> Iterator[str]:
    """Yield the codes of the risks that a column carries."""
    total, given = int(facts["total"]), given_values(facts)
    nulls = total - given if entry.reading else int(facts["empty"]) + sum(facts["null_words"].get(w, 0) for w in entry.null_words)
    is_text = entry.type == "string" and not entry.semantic
    is_open = entry.is_ambiguous and entry.type not in _DATED
    tests = (
        ("no_sample_rows", total == 0),
        ("all_values_empty", total > 0 and given <= 0),
        ("sample_size_low", 0 < given <= FEW),
        ("low_confidence_type", entry.confidence < 0.8 and given > 0),
        ("high_null_ratio", total > 0 and 0.5 <= nulls / total < 1),
        ("moderate_null_ratio", total > 0 and 0.2 <= nulls / total < 0.5),
        ("key_candidate_not_unique", is_key_name(entry.name) and 0 < int(facts["distinct"]) < given),
        ("ambiguous_date_format", entry.is_ambiguous and entry.type in _DATED),
        ("ambiguous_type_candidates", is_open or "ambiguous_currency" in entry.metadata),
        ("mixed_numeric_values", is_text and "are numbers" in entry.reason),
        ("fuzzy_datetime_matches", "_mixed_" in (entry.reading or "") or (is_text and "are dates" in entry.reason)),
        ("values_do_not_fit", entry.rejected > 0),
    )
    return (code for code, holds in tests if holds)
