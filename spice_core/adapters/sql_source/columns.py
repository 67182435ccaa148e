"""Columns of a database in our types, and their values in the forms of `domain.values`."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import types

from spice_core.ports.table_engine import TypedColumn

_MOST_DIGITS = 38
_OIDS = {
    16: "boolean",
    20: "integer",
    21: "integer",
    23: "integer",
    700: "double",
    701: "double",
    1082: "date",
    1114: "dateTime",
    1184: "dateTime",
}
_NUMERIC_OID = 1700
_KINDS: Sequence[tuple[type[Any], str]] = (
    (types.Boolean, "boolean"),
    (types.Integer, "integer"),
    (types.Float, "double"),
    (types.DateTime, "dateTime"),
    (types.Date, "date"),
)


def column_of(name: str, kind: Any) -> TypedColumn:
    """Return a column of SQLAlchemy's type `kind`; a type of which a text says as much is a text."""
    if isinstance(kind, types.Integer) and getattr(kind, "unsigned", False):
        return TypedColumn(name, "unsignedLong")
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float):
        return _decimal(name, kind.precision, kind.scale)
    return TypedColumn(name, next((type_ for found, type_ in _KINDS if isinstance(kind, found)), "string"))


def described_column(description: Any) -> TypedColumn:
    """Return a column of a query as PostgreSQL's driver describes it; as text where another one says less."""
    name, code = description[0], description[1]
    if code == _NUMERIC_OID:
        return _decimal(name, description[4], description[5])
    return TypedColumn(name, _OIDS.get(code, "string") if isinstance(code, int) else "string")


def reader_of(column: TypedColumn) -> Callable[[Any], Any]:
    """Return what turns a driver's value into the kept form."""
    if column.type == "dateTime":
        return _date_time
    if column.type == "date":
        return lambda value: value.date() if isinstance(value, datetime) else value
    if column.type == "decimal":
        return lambda value: None if value is None else Decimal(value)
    if column.type == "string":
        return _text
    return lambda value: value


def fingerprint(columns: Sequence[TypedColumn]) -> str:
    """Return a digest of names and types: rows of another one cannot be merged."""
    said = [[column.name, column.type, column.precision, column.scale] for column in columns]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def _decimal(name: str, precision: int | None, scale: int | None) -> TypedColumn:
    if precision is None or precision > _MOST_DIGITS or (scale or 0) < 0:
        return TypedColumn(name, "string")
    return TypedColumn(name, "decimal", precision, scale or 0)


def _date_time(value: Any) -> Any:
    """A time without a zone is taken for UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
