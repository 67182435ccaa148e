"""How far a table was read: the highest watermark, the window behind it that is read again, and what stood in it."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_

from spice_core.errors import InvalidSource
from spice_core.ports.table_engine import TypedColumn

_MODULUS = 1 << 128
_TYPES = {"dateTime", "date", "integer", "unsignedLong", "decimal", "string"}

_READERS: Mapping[str, Callable[[Any], Any]] = {
    "dateTime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The highest watermark that was read (None: the table was empty), of the column `mark` of a table with these columns."""

    fingerprint: str
    mark: TypedColumn
    value: Any

    def text(self) -> str:
        """Return it as the opaque text that is kept."""
        value = self.value
        told = value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value
        return json.dumps({"columns": self.fingerprint, "column": self.mark.name, "type": self.mark.type, "watermark": told})


def cursor_of(text: str | None, mark: TypedColumn, fingerprint: str) -> Cursor | None:
    """Read a cursor back; None where there is none, or where it is of other columns or another watermark column."""
    if text is None:
        return None
    found = json.loads(text)
    is_same = (found["columns"], found.get("column"), found.get("type")) == (fingerprint, mark.name, mark.type)
    if not is_same or found["watermark"] is None:
        return None
    return Cursor(fingerprint, mark, _READERS.get(mark.type, _as_it_is)(found["watermark"]))


def watermark_column(columns: Sequence[TypedColumn], name: str) -> TypedColumn:
    """Return the column called `name`. Raises `InvalidSource` where it is none that can be a watermark."""
    found = next((column for column in columns if column.name == name), None)
    if found is None or found.type not in _TYPES:
        raise InvalidSource(
            f"the watermark column {name[:100]} must be a column of times, dates, whole numbers, decimals or text"
        )
    return found


def window_start(value: Any, overlap: float) -> Any:
    """Return from where on rows are read again: `overlap` seconds, or units of a number, below `value`."""
    if isinstance(value, datetime):
        return value - timedelta(seconds=overlap)
    if isinstance(value, date):
        return value - timedelta(days=math.ceil(overlap / 86_400))
    if isinstance(value, Decimal):
        return value - Decimal(repr(overlap))
    if isinstance(value, int):
        return value - math.ceil(overlap)
    return value


def since(mark: ColumnElement[Any], start: Any) -> ColumnElement[bool]:
    """Return the condition of the window; rows without a watermark are in every one."""
    return or_(mark >= bindparam("start", start), mark.is_(None))


def _as_it_is(value: Any) -> Any:
    return value


class WindowDigest:
    """A digest of rows that does not depend on their order: equal as long as nothing in the window changed."""

    def __init__(self) -> None:
        self._sum = 0
        self.count = 0

    def add(self, row: Sequence[Any]) -> None:
        """Take in a row, in its kept form."""
        digest = hashlib.blake2b(repr(tuple(row)).encode(), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) % _MODULUS
        self.count += 1

    def text(self) -> str:
        """Return the change token."""
        return f"{self.count}:{self._sum:032x}"
