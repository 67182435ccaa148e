"""The physical tables of a class: generated from its fields, under generated names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedClass, IndexedField

SCHEMA = "spice_search"
NOW = 2147483647
"""`until` of a row that holds now."""
FIXED = ("key", "version", "is_deleted", "position", "event_id", "updated_at", "created_at", "data", "words")
"""The columns before the properties, in the order in which rows are written."""

_MOST_INDEX_COLUMNS = 31
_PENDING = sql.SQL("gin_pending_list_limit = 16384")
"""kB of entries that wait to be sorted in: four times the default costs a load less, and a search some milliseconds
while a load goes on."""
_FIXED_TYPES = ("text COLLATE {c}", "bigint", "boolean", "bigint", "text", "timestamptz", "timestamptz", "text", "tsvector")
_TYPES = {Kind.INTEGER: "bigint", Kind.NUMBER: "numeric", Kind.BOOLEAN: "boolean"}


def holds_array(item: IndexedField) -> bool:
    """Return whether a field's column is an array; JSON is one digest per element, since lists compare by element."""
    return item.is_array or item.kind is Kind.JSON


def base_type(kind: Kind) -> sql.SQL:
    """Return the column type of one value. Dates and timestamps are texts whose order is that of time."""
    return sql.SQL(_TYPES.get(kind, "text"))


@dataclass(frozen=True, slots=True)
class ClassTables:
    """One class of one generation: its definition and the version of its tables."""

    id: int
    version: int
    definition: IndexedClass
    undeclared: frozenset[str] = frozenset()
    columns: dict[str, tuple[IndexedField, str]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        named = {item.name: (item, f"p{number}") for number, item in enumerate(self.definition.fields)}
        object.__setattr__(self, "columns", named)

    @property
    def names(self) -> list[str]:
        """The tables: documents of main, branches and earlier states, words."""
        return [f"c{self.id}_v{self.version}{suffix}" for suffix in ("", "_o", "_w")]

    @property
    def main(self) -> sql.Identifier:
        return sql.Identifier(SCHEMA, self.names[0])

    @property
    def overlay(self) -> sql.Identifier:
        return sql.Identifier(SCHEMA, self.names[1])

    @property
    def lexicon(self) -> sql.Identifier:
        return sql.Identifier(SCHEMA, self.names[2])

    @property
    def row_columns(self) -> list[sql.Identifier]:
        """The columns of a written row, in order."""
        return [sql.Identifier(name) for name in (*FIXED, *(column for _, column in self.columns.values()))]

    @property
    def row_types(self) -> list[sql.Composable]:
        """The types of `row_columns`."""
        return [sql.SQL(text.partition(" ")[0]) for text in _FIXED_TYPES] + [_type(item) for item in self.definition.fields]


def create_tables(tables: ClassTables) -> list[sql.Composed]:
    """Return the statements that create the tables without their search indexes."""
    columns = sql.SQL(", ").join(
        [sql.SQL("{} {}").format(sql.Identifier(name), _fixed_type(text)) for name, text in zip(FIXED, _FIXED_TYPES, strict=True)]
        + [sql.SQL("{} {}").format(sql.Identifier(column), _column_type(item)) for item, column in tables.columns.values()]
    )
    return [
        sql.SQL("CREATE TABLE {} ({}, since integer NOT NULL, PRIMARY KEY (key))").format(tables.main, columns),
        sql.SQL(
            "CREATE TABLE {} ({}, since integer NOT NULL, layer integer NOT NULL, until integer NOT NULL,"
            " PRIMARY KEY (layer, key, until))"
        ).format(tables.overlay, columns),
        sql.SQL('CREATE TABLE {} (size smallint, word text COLLATE "C", PRIMARY KEY (size, word))').format(tables.lexicon),
    ]


def create_indexes(tables: ClassTables) -> list[sql.Composed]:
    """Return the statements that index the documents of main for filters and full text."""
    entries = [sql.SQL("words"), *(_index_entry(item, column) for item, column in tables.columns.values())]
    return [
        sql.SQL("CREATE INDEX ON {} USING gin ({}) WITH ({}) WHERE NOT is_deleted").format(
            tables.main, sql.SQL(", ").join(chunk), _PENDING
        )
        for chunk in _chunks(entries, _MOST_INDEX_COLUMNS)
    ]


def add_columns(tables: ClassTables, fields: Iterable[IndexedField]) -> list[sql.Composed]:
    """Return the statements that add `fields` (of the definition) to existing tables, which takes no rewriting.

    The new index is partial: of rows without a value it holds nothing, so that it too is made in a moment.
    """
    statements: list[sql.Composed] = []
    for item in fields:
        column = tables.columns[item.name][1]
        for table in (tables.main, tables.overlay):
            add = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
            statements.append(add.format(table, sql.Identifier(column), _column_type(item)))
        index = sql.SQL("CREATE INDEX ON {} USING gin ({}) WITH ({}) WHERE NOT is_deleted AND {} IS NOT NULL")
        statements.append(index.format(tables.main, _index_entry(item, column), _PENDING, sql.Identifier(column)))
    return statements


def _chunks(entries: Sequence[sql.Composable], size: int) -> list[Sequence[sql.Composable]]:
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def _index_entry(item: IndexedField, column: str) -> sql.Composable:
    """Texts may be longer than an index entry: their beginnings are indexed. Digests, dates and timestamps are short."""
    if item.kind is not Kind.TEXT:
        return sql.Identifier(column)
    head = "spice_search.heads({})" if item.is_array else '"left"({}, 256)'
    return sql.SQL("({})").format(sql.SQL(head).format(sql.Identifier(column)))


def _fixed_type(text: str) -> sql.Composed:
    return sql.SQL(text).format(c=sql.Identifier("C"))


def _type(item: IndexedField) -> sql.Composed:
    return sql.SQL("{}[]" if holds_array(item) else "{}").format(base_type(item.kind))


def _column_type(item: IndexedField) -> sql.Composed:
    collate = sql.SQL("" if item.kind in _TYPES else ' COLLATE "C"')
    return sql.SQL("{}{}").format(_type(item), collate)
