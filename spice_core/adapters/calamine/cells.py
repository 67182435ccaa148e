"""Cells of workbooks as text: what a person reads in the cell, numbers and dates in one form for all countries."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

Cell = int | float | str | bool | time | date | datetime | timedelta
_ISO_DURATION = re.compile(r"PT(\d{1,9})H(\d{1,2})M(\d{1,2})S")
"""How spreadsheets of OpenDocument write durations that are no time of a day."""
_EXACT = 2.0**53
_PLAIN_DIGITS = 20


def cell_text(cell: Cell) -> str | None:
    """Return the text of a cell, None for an empty one.

    Numbers have up to 15 digits, as Excel shows them; whole ones are exact. Dates and times are ISO 8601, with a time only
    where the cell has one; durations count hours (`36:00:00`); truth values are `true` and `false`.
    """
    if isinstance(cell, str):
        return cell.replace("\0", "") or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return _number_text(cell)
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, timedelta):
        return _duration_text(cell)
    return _time_text(cell)


def opendocument_text(cell: Cell) -> str | None:
    """As `cell_text`, of a cell of an OpenDocument sheet, whose durations are read as the text that is kept in the file."""
    iso = _ISO_DURATION.fullmatch(cell) if isinstance(cell, str) else None
    return _clock_text(*map(int, iso.groups())) if iso else cell_text(cell)


def _number_text(number: float) -> str:
    if number.is_integer() and abs(number) <= _EXACT:
        return str(int(number))
    short = format(number, ".15g")
    exponent = short.partition("e")[2]
    return short if exponent and abs(int(exponent)) > _PLAIN_DIGITS else format(Decimal(short), "f")


def _time_text(moment: time | date | datetime) -> str:
    """ISO text; a serial number's noise below a millisecond is left out."""
    if isinstance(moment, datetime):
        return (moment + timedelta(microseconds=500)).isoformat(timespec="milliseconds").removesuffix(".000")
    if isinstance(moment, date):
        return moment.isoformat()
    return moment.isoformat(timespec="milliseconds").removesuffix(".000")


def _duration_text(duration: timedelta) -> str:
    milliseconds = round(abs(duration) / timedelta(milliseconds=1))
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if duration < timedelta() else ""
    return sign + _clock_text(hours, minutes, seconds) + (f".{rest:03}" if rest else "")


def _clock_text(hours: int, minutes: int, seconds: int) -> str:
    return f"{hours:02}:{minutes:02}:{seconds:02}"
