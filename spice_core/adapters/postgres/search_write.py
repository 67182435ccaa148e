"""Upsert by version: one COPY into a temporary table, then a statement or three per class."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice

from psycopg import sql

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.search_catalogue import Layer
from spice_core.adapters.postgres.search_documents import DOCUMENT_COLUMNS, DOCUMENT_WIDTH, load_document
from spice_core.adapters.postgres.search_rows import QUICK_FORMAT, RowEncoder
from spice_core.adapters.postgres.search_tables import NOW, ClassTables, create_indexes, create_tables
from spice_core.adapters.postgres.search_visible import inherits_version
from spice_core.domain.search import SearchDocument

_WIDTHS = (32, 64, 128, 512)
_SLICE = 2_000
_PIECE = 200


def stage(connection: Connection, documents: Iterable[SearchDocument], encoders: Mapping[str, RowEncoder]) -> sql.Identifier:
    """Copy `documents` (in key order), as their classes' encoders write them, into a temporary table; return the table.

    Raises:
        InvalidInput: a document cannot be stored; names it.
    """
    width = next(width for width in _WIDTHS if all(len(item.tables.row_columns) <= width for item in encoders.values()))
    table = sql.Identifier("pg_temp", f"spice_search_stage_{width}")
    columns = [sql.SQL('{} text COLLATE "C"').format(_cell(number)) for number in range(width)]
    create = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} (class integer, {}) ON COMMIT DELETE ROWS")
    connection.execute(create.format(table, sql.SQL(", ").join(columns)))
    for class_id, group in groupby(documents, key=lambda document: document.class_id):
        _copy(connection, table, encoders[class_id], group)
    return table


def _copy(connection: Connection, table: sql.Identifier, encoder: RowEncoder, documents: Iterable[SearchDocument]) -> None:
    """Copy in pieces: the server reads one while the next is encoded. Unusual documents come last, in their own form."""
    unusual: list[SearchDocument] = []

    def quick_rows() -> Iterator[str]:
        for document in documents:
            row = encoder.quick_row(document)
            if row is None:
                unusual.append(document)
            else:
                yield row

    _send(connection, _copy_into(table, encoder.quick_order, QUICK_FORMAT), f"{encoder.tables.id},", quick_rows())
    if unusual:
        columns = range(len(encoder.tables.row_columns))
        rows = (encoder.row(document) for document in unusual)
        _send(connection, _copy_into(table, columns, sql.SQL("FORMAT text")), f"{encoder.tables.id}\t", rows)


def _send(connection: Connection, copy: sql.Composed, prefix: str, rows: Iterator[str]) -> None:
    with connection.cursor() as cursor, cursor.copy(copy) as out:
        while piece := list(islice(rows, _PIECE)):
            out.write(prefix + f"\n{prefix}".join(piece) + "\n")


def _copy_into(table: sql.Identifier, columns: Iterable[int], form: sql.SQL) -> sql.Composed:
    cells = sql.SQL(", ").join(_cell(number) for number in columns)
    return sql.SQL("COPY {} (class, {}) FROM STDIN WITH ({})").format(table, cells, form)


def upsert(connection: Connection, chain: tuple[Layer, ...], staged: sql.Identifier, encoders: Iterable[RowEncoder]) -> int:
    """Apply staged rows to the first branch of `chain`; return how many were above what it showed.

    Writers take classes in one order, and the rows of a class in key order, so that they never wait for each other in a
    circle. Where earlier states must be kept or looked up, the writers of a class take turns.
    """
    layer = chain[0]
    applied = 0
    for encoder in encoders:
        tables = encoder.tables
        if not layer.is_main or layer.last_fork >= 0:
            connection.execute(load_queries("search")["lock_class"], {"class": tables.id})
        if layer.last_fork >= 0:
            connection.execute(_keep_earlier_states(tables, layer, staged))
        statement = _upsert_main(tables, layer, staged) if layer.is_main else _upsert_overlay(tables, chain, staged)
        applied += connection.execute(statement).rowcount
        remember(connection, encoder)
    return applied


def remember(connection: Connection, encoder: RowEncoder) -> None:
    """Add the words and the undeclared properties that `encoder` saw to what the class knows."""
    if encoder.words:
        statement = sql.SQL(
            "INSERT INTO {lexicon} SELECT length(w), w FROM unnest(%s::text[]) w"
            " WHERE NOT EXISTS (SELECT FROM {lexicon} l WHERE l.size = length(w) AND l.word = w) ON CONFLICT DO NOTHING"
        ).format(lexicon=encoder.tables.lexicon)
        connection.execute(statement, (sorted(encoder.words, key=lambda word: (len(word), word)),))
    known = encoder.tables.undeclared
    if "*" not in known and encoder.undeclared - known:
        parameters = {"class": encoder.tables.id, "names": sorted(encoder.undeclared - known)}
        connection.execute(load_queries("search")["note_undeclared"], parameters)


def copy_class(connection: Connection, old: ClassTables, new: ClassTables) -> None:
    """Fill the tables of `new` from the documents in those of `old`: every property is read again from the document."""
    for statement in create_tables(new):
        connection.execute(statement)
    encoder = RowEncoder(new)
    for source, target, columns in ((old.main, new.main, "since"), (old.overlay, new.overlay, "since, layer, until")):
        _copy_rows(connection, source, target, columns, encoder)
    words = sql.SQL("INSERT INTO {} SELECT size, word FROM {}")
    connection.execute(words.format(new.lexicon, old.lexicon))
    remember(connection, encoder)
    for statement in create_indexes(new):
        connection.execute(statement)


def _copy_rows(connection: Connection, source: sql.Identifier, target: sql.Identifier, more: str, encoder: RowEncoder) -> None:
    columns = sql.SQL("{}, {}").format(sql.SQL(more), sql.SQL(", ").join(encoder.tables.row_columns))
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(target, columns)
    class_id = encoder.tables.definition.class_id
    with connection.cursor(name="search_rebuild") as rows, connection.cursor() as writer:
        rows.execute(sql.SQL("SELECT {}, {} FROM {} m").format(DOCUMENT_COLUMNS, sql.SQL(more), source))
        while batch := rows.fetchmany(_SLICE):
            lines = [
                "\t".join([*map(str, row[DOCUMENT_WIDTH:]), encoder.row(load_document(row, class_id))]) + "\n" for row in batch
            ]
            with writer.copy(copy) as out:
                out.write("".join(lines))


def _keep_earlier_states(tables: ClassTables, layer: Layer, staged: sql.Identifier) -> sql.Composed:
    """Copy the rows that are about to change and that a branch made since still shows."""
    columns = sql.SQL(", ").join(tables.row_columns)
    present = sql.SQL("{} m").format(tables.main)
    if not layer.is_main:
        own = "(SELECT * FROM {} WHERE layer = {} AND until = {}) m"
        present = sql.SQL(own).format(tables.overlay, sql.Literal(layer.id), sql.Literal(NOW))
    return sql.SQL(
        "INSERT INTO {overlay} ({columns}, since, layer, until) SELECT {found}, m.since, {layer}, {epoch}"
        " FROM {present} JOIN ({rows}) s ON s.key = m.key WHERE m.since <= {last_fork} AND m.version < s.version"
    ).format(
        overlay=tables.overlay,
        columns=columns,
        found=sql.SQL(", ").join(sql.SQL("m.{}").format(column) for column in tables.row_columns),
        layer=sql.Literal(layer.id),
        epoch=sql.Literal(layer.epoch),
        present=present,
        rows=_rows(tables, staged),
        last_fork=sql.Literal(layer.last_fork),
    )


def _upsert_main(tables: ClassTables, layer: Layer, staged: sql.Identifier) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {main} AS t ({columns}, since) SELECT {columns}, {epoch} FROM ({rows}) s ORDER BY key"
        " ON CONFLICT (key) DO UPDATE SET {changes} WHERE t.version < excluded.version"
    ).format(
        main=tables.main,
        columns=sql.SQL(", ").join(tables.row_columns),
        epoch=sql.Literal(layer.epoch),
        rows=_rows(tables, staged),
        changes=_changes(tables),
    )


def _upsert_overlay(tables: ClassTables, chain: tuple[Layer, ...], staged: sql.Identifier) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {overlay} AS t ({columns}, since, layer, until) SELECT {columns}, {epoch}, {layer}, {now} FROM ({rows}) s"
        " WHERE NOT {inherits} ORDER BY key"
        " ON CONFLICT (layer, key, until) DO UPDATE SET {changes} WHERE t.version < excluded.version"
    ).format(
        overlay=tables.overlay,
        columns=sql.SQL(", ").join(tables.row_columns),
        epoch=sql.Literal(chain[0].epoch),
        layer=sql.Literal(chain[0].id),
        now=sql.Literal(NOW),
        rows=_rows(tables, staged),
        inherits=inherits_version(tables, chain),
        changes=_changes(tables),
    )


def _rows(tables: ClassTables, staged: sql.Identifier) -> sql.Composed:
    """Return the SELECT that gives the staged rows of a class their names and types."""
    named = zip(tables.row_columns, tables.row_types, strict=True)
    cells = [sql.SQL("{}::{} AS {}").format(_cell(number), kind, name) for number, (name, kind) in enumerate(named)]
    return sql.SQL("SELECT {} FROM {} WHERE class = {}").format(sql.SQL(", ").join(cells), staged, sql.Literal(tables.id))


def _changes(tables: ClassTables) -> sql.Composed:
    columns = [*tables.row_columns[1:], sql.Identifier("since")]
    return sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(column) for column in columns)


def _cell(number: int) -> sql.Identifier:
    return sql.Identifier(f"v{number}")
