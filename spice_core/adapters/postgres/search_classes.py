"""Defining classes: their tables are made, widened or replaced."""

from dataclasses import replace

import orjson

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.search_catalogue import Snapshot
from spice_core.adapters.postgres.search_tables import ClassTables, add_columns, create_indexes, create_tables
from spice_core.adapters.postgres.search_write import copy_class
from spice_core.domain.search import IndexedClass
from spice_core.domain.search_rules import definition_json, merge_definitions


def define_class(connection: Connection, snapshot: Snapshot, definition: IndexedClass) -> None:
    """Make the class of `snapshot` what `definition` says. The caller holds the database alone.

    Raises:
        InvalidInput: the definition is not valid.
    """
    known = snapshot.classes.get(definition.class_id)
    if known is None:
        _add(connection, snapshot, merge_definitions(None, definition))
        return
    wanted = merge_definitions(known.definition, definition)
    if wanted == known.definition:
        return
    changed = replace(known, definition=wanted)
    added = wanted.fields[len(known.definition.fields) :]
    if _reads_documents_anew(known, changed):
        changed = replace(changed, version=known.version + 1)
        copy_class(connection, known, changed)
        connection.execute(load_queries("search")["discard_tables"], {"tables": known.names})
    elif added:
        for statement in add_columns(changed, added):
            connection.execute(statement)
    _store(connection, changed)


def _reads_documents_anew(known: ClassTables, changed: ClassTables) -> bool:
    """Return whether stored rows would be different: a field or the title changed, or documents have an added property."""
    before, after = known.definition, changed.definition
    if after.fields[: len(before.fields)] != before.fields or before.title_field != after.title_field:
        return True
    added = {item.name for item in after.fields[len(before.fields) :]}
    return bool(added) and ("*" in known.undeclared or not added.isdisjoint(known.undeclared))


def _add(connection: Connection, snapshot: Snapshot, definition: IndexedClass) -> None:
    parameters = {
        "generation": snapshot.generation,
        "class_id": definition.class_id,
        "definition": orjson.dumps(definition_json(definition)).decode(),
    }
    row = connection.execute(load_queries("search")["add_class"], parameters).fetchone()
    tables = ClassTables(id=row[0] if row else 0, version=1, definition=definition)
    for statement in (*create_tables(tables), *create_indexes(tables)):
        connection.execute(statement)


def _store(connection: Connection, tables: ClassTables) -> None:
    parameters = {
        "class": tables.id,
        "version": tables.version,
        "definition": orjson.dumps(definition_json(tables.definition)).decode(),
        "undeclared": sorted(tables.undeclared),
    }
    connection.execute(load_queries("search")["change_class"], parameters)
