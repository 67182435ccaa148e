"""Columns whose type the source itself states."""

from spice_core.domain.inference.column_types import ColumnType, Evidence, given_values
from spice_core.domain.readings import NUMBERS

_READINGS = {
    **dict.fromkeys(("integer", "decimal", "double"), "number_us"),
    "boolean": "boolean",
    "date": "date_ymd",
    "dateTime": "date_time_ymd",
    "time": "time",
}
STATED_TYPES = frozenset({"string", *_READINGS})
"""Types that a source may state of a column; others are inferred."""
_MOST_SCALE = 18


def stated_readings(type_name: str) -> tuple[str, ...]:
    """Return the reading of a stated type's texts, none for text."""
    return (_READINGS[type_name],) if type_name in _READINGS else ()


def stated_type(column: str, type_name: str, facts: Evidence) -> ColumnType:
    """Return the column as its source states it: its texts are written in our own form, and no word stands for nothing."""
    reading = _READINGS.get(type_name)
    given = given_values(facts, ())
    if reading is None:
        return ColumnType(column, type_name, 1.0, "the source states it")
    fraction = int(facts["digits"][reading][1] or 0) if reading in NUMBERS else 0
    return ColumnType(
        column,
        type_name,
        1.0,
        "the source states it",
        reading,
        scale=min(fraction, _MOST_SCALE) if type_name == "decimal" else 0,
        rejected=max(0, given - int(facts["fits"][reading])),
    )
