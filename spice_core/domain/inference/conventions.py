"""What the columns of one table settle for each other: the decimal sign, and the order of day and month."""

from collections.abc import Mapping
from dataclasses import replace

from spice_core.domain.inference.column_types import ColumnType, Evidence
from spice_core.domain.inference.numbers import retyped_number

_CALENDAR = frozenset({"date", "dateTime"})


def settled(found: Mapping[str, ColumnType], evidence: Mapping[str, Evidence]) -> dict[str, ColumnType]:
    """Return the types, an ambiguous column read as all the unambiguous ones of its table are; it says so."""
    order, comma = _order(found), _has_comma(found)
    types = dict(found)
    for column, entry in found.items():
        if not entry.is_ambiguous or entry.reading is None:
            continue
        if entry.type in _CALENDAR and order is not None:
            types[column] = _ordered(entry, order)
        elif entry.reading.startswith("number_") and comma is not None:
            reading = "number_eu" if comma else "number_us"
            if reading == entry.reading or reading in entry.alternatives:
                types[column] = _notated(entry, reading, evidence[column])
    return types


def _order(found: Mapping[str, ColumnType]) -> str | None:
    orders = {
        entry.reading.rpartition("_")[2]
        for entry in found.values()
        if entry.reading and entry.type in _CALENDAR and not entry.is_ambiguous and entry.reading.endswith(("_dmy", "_mdy"))
    }
    return orders.pop() if len(orders) == 1 else None


def _has_comma(found: Mapping[str, ColumnType]) -> bool | None:
    """Whether decimals of the table have a comma; None where no column, or two of different kinds, tell."""
    signs = {
        entry.reading == "number_eu"
        for entry in found.values()
        if entry.reading in {"number_eu", "number_us"} and entry.type in {"decimal", "double"} and not entry.is_ambiguous
    }
    return signs.pop() if len(signs) == 1 else None


def _ordered(entry: ColumnType, order: str) -> ColumnType:
    form = (entry.reading or "").rpartition("_")[0]
    said = "day" if order == "dmy" else "month"
    reason = (
        entry.reason.partition("; no value settles")[0]
        .replace("day first", f"{said} first")
        .replace("month first", f"{said} first")
    )
    return replace(
        entry,
        reading=f"{form}_{order}",
        reason=f"{reason}; no value settles the order, the other dates of the table do",
        is_ambiguous=False,
        alternatives=(),
    )


def _notated(entry: ColumnType, reading: str, facts: Evidence) -> ColumnType:
    chosen = retyped_number(entry, reading, facts)
    return replace(chosen, reason=f"{chosen.reason}, as in the other columns of the table", is_ambiguous=False, alternatives=())
