"""What is read of a database: a table, a view, or one query that can only read."""

import re
from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlalchemy import Connection, FromClause, Select, column, inspect, literal_column, select, table, text
from sqlalchemy.exc import NoSuchTableError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from spice_core.adapters.sql_source.columns import column_of, described_column
from spice_core.domain.connectors import Config
from spice_core.errors import InvalidInput, SourceGone
from spice_core.ports.connector import SourceSpec
from spice_core.ports.table_engine import TypedColumn

QUERY = "query:"
_QUERY_NAME = re.compile(r"query:[A-Za-z0-9_-]{1,100}")
_MOST_CHARACTERS = 100_000
_WRITES = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.Lock,
    exp.Set, exp.Copy, exp.TruncateTable,
)  # fmt: skip


def table_key(schema: str | None, name: str) -> str:
    """Return the key of a table: `schema.table`, a `.` or `%` in a name percent-encoded."""
    return ".".join(part.replace("%", "%25").replace(".", "%2E") for part in ([schema] if schema else []) + [name])


def table_of(key: str) -> tuple[str | None, str]:
    """Return schema and name of a table's key. Raises `InvalidInput`."""
    parts = [part.replace("%2E", ".").replace("%25", "%") for part in key.split(".")]
    if not 1 <= len(parts) <= 2 or not all(parts) or "\x00" in key:
        raise InvalidInput("the key of a table is `schema.table`, as the list of sources names it; of a query `query:name`")
    return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])


def checked_spec(spec: SourceSpec, *, dialect: str, can_query: bool) -> SourceSpec:
    """Return `spec` with its query in the form that was checked. Raises `InvalidInput`."""
    query = spec.options.get("query")
    if not spec.key.startswith(QUERY):
        table_of(spec.key)
        if query:
            raise InvalidInput("a query has a key of its own: `query:name`")
        return SourceSpec(spec.key, {}, spec.key_columns, spec.watermark_column, spec.overlap)
    if not _QUERY_NAME.fullmatch(spec.key):
        raise InvalidInput("the key of a query is `query:` and a name of letters, digits, _ and -")
    if not can_query:
        raise InvalidInput("this kind of database has no read-only transactions for us: make a view, and read that")
    options: Config = {"query": read_only(str(query or ""), dialect)}
    return SourceSpec(spec.key, options, spec.key_columns, spec.watermark_column, spec.overlap)


def read_only(query: str, dialect: str) -> str:
    """Return `query` as it will be run, if it is one SELECT that writes nothing. Raises `InvalidInput`."""
    if not query.strip() or len(query) > _MOST_CHARACTERS:
        raise InvalidInput(f"query: write one SELECT of up to {_MOST_CHARACTERS} characters")
    try:
        statements = [found for found in sqlglot.parse(query, read=dialect) if found is not None]
    except SqlglotError as error:
        raise InvalidInput(f"query: it does not parse: {str(error).splitlines()[0][:300]}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise InvalidInput("query: one SELECT, and nothing else")
    found = statements[0].find(*_WRITES)
    if found is not None:
        raise InvalidInput(f"query: {found.key.upper()} is not reading")
    return statements[0].sql(dialect=dialect, comments=False)


def columns_of(connection: Connection, spec: SourceSpec) -> list[TypedColumn]:
    """Return the columns of a source. Raises `SourceGone` where the table is not there, and SQLAlchemy's errors."""
    if spec.key.startswith(QUERY):
        nothing: Select[Any] = select(literal_column("*")).select_from(text(f"({_escaped(spec)}) AS source")).where(text("1 = 0"))
        with connection.execute(nothing) as result:
            return [described_column(item) for item in result.cursor.description or ()]
    schema, name = table_of(spec.key)
    try:
        found = inspect(connection).get_columns(name, schema=schema)
    except NoSuchTableError:
        raise SourceGone(f"the database has no table {spec.key[:200]}") from None
    return [column_of(item["name"], item["type"]) for item in found]


def from_clause(spec: SourceSpec, columns: Sequence[TypedColumn]) -> FromClause:
    """Return what to select from, its columns without types: values come as the driver gives them."""
    names: list[Any] = [column(item.name) for item in columns]
    if spec.key.startswith(QUERY):
        return text(_escaped(spec)).columns(*names).subquery("source")
    schema, name = table_of(spec.key)
    return table(name, *names, schema=schema)


def highest(source: FromClause, watermark: str) -> Any:
    """Return the query of the highest watermark."""
    return select(literal_column("max(w)")).select_from(select(source.c[watermark].label("w")).subquery("marks"))


def _escaped(spec: SourceSpec) -> str:
    """Colons of the query are no parameters of ours."""
    return str(spec.options["query"]).replace(":", "\\:")
