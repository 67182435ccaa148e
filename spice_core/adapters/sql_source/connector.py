"""The connector of SQL databases: tables, views and read-only queries, whole or by a watermark."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Inspector, inspect, text
from sqlalchemy.engine.reflection import ObjectKind

from spice_core.adapters.sql_source.access import DRIVERS, FIELDS, SqlOptions, connect, prepare
from spice_core.adapters.sql_source.failures import translated
from spice_core.adapters.sql_source.reading import SqlReading
from spice_core.adapters.sql_source.sources import QUERY, checked_spec, columns_of, table_key
from spice_core.domain.connectors import Config
from spice_core.errors import Closed
from spice_core.ports.connector import Access, ConfigField, Connector, ConnectorKind, FoundSource, Reading, SourceSpec

_TOKEN_ROWS = 100_000
_MOST_SOURCES = 10_000
_SYSTEM_SCHEMAS = frozenset(
    {"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys", "INFORMATION_SCHEMA"}
)

KIND = ConnectorKind(
    name="sql",
    title="SQL database",
    connection_fields=FIELDS,
    source_fields=(ConfigField("query", "One SELECT, of a source whose key is `query:name`."),),
    reads_changes=True,
)


class SqlConnector(Connector):
    """Reads databases of the drivers that are installed and the hosts that an operator allows; a connection per call."""

    kind = KIND

    def __init__(self, options: SqlOptions) -> None:
        self._options = options
        self._is_closed = False

    def prepare(self, config: Config, secrets: Mapping[str, str]) -> tuple[Config, Mapping[str, str]]:
        return prepare(config, secrets, self._options)

    def prepare_source(self, config: Config, spec: SourceSpec) -> SourceSpec:
        driver = DRIVERS[str(config["driver"])]
        return checked_spec(spec, dialect=driver.dialect, can_query=bool(driver.session))

    def check(self, access: Access) -> str:
        with self._connected(access, is_table=False) as connection:
            connection.execute(text("SELECT 1"))
            return f"connected to {access.config['database']} as {access.config['username']}"

    def list_sources(self, access: Access) -> Sequence[FoundSource]:
        found: list[FoundSource] = []
        with self._connected(access, is_table=False) as connection:
            inspector = inspect(connection)
            for schema in inspector.get_schema_names():
                if schema not in _SYSTEM_SCHEMAS and not schema.startswith("pg_"):
                    found += _sources_of(inspector, schema)
        return found[:_MOST_SOURCES]

    def revision(self, access: Access, spec: SourceSpec, cursor: str | None) -> str | None:
        if spec.watermark_column is None or cursor is None:
            return None
        with self._opened(access, spec, cursor) as reading:
            return reading.token(most=_TOKEN_ROWS)

    @contextmanager
    def read(self, access: Access, spec: SourceSpec, cursor: str | None) -> Iterator[Reading]:
        with self._opened(access, spec, cursor) as reading:
            yield reading

    def close(self) -> None:
        self._is_closed = True

    @contextmanager
    def _opened(self, access: Access, spec: SourceSpec, cursor: str | None) -> Iterator[SqlReading]:
        is_table = not spec.key.startswith(QUERY)
        guard = partial(translated, access, is_table=is_table)
        with self._connected(access, is_table=is_table) as connection:
            columns = columns_of(connection, spec)
            yield SqlReading(connection, spec, columns, cursor=cursor, options=self._options, guard=guard)

    @contextmanager
    def _connected(self, access: Access, *, is_table: bool) -> Iterator[Connection]:
        if self._is_closed:
            raise Closed("The connector is closed.")
        with translated(access, is_table=is_table), connect(access, self._options) as connection:
            yield connection


def _sources_of(inspector: Inspector, schema: str) -> list[FoundSource]:
    keys: Mapping[Any, Any] = inspector.get_multi_pk_constraint(schema=schema, kind=ObjectKind.ANY)
    views = {*inspector.get_view_names(schema), *inspector.get_materialized_view_names(schema)}
    found = []
    for (_, name), columns in sorted(inspector.get_multi_columns(schema=schema, kind=ObjectKind.ANY).items(), key=str):
        primary = keys.get((schema, name)) or {}
        found.append(
            FoundSource(
                table_key(schema, name),
                f"{schema}.{name}",
                "view" if name in views else "table",
                columns=tuple(column["name"] for column in columns),
                key_columns=tuple(primary.get("constrained_columns", ())),
            )
        )
    return found
