"""Commands on the catalogue's records: saved and deleted with optimistic concurrency."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

from spice_core.domain import naming
from spice_core.domain.catalogue_records import CatalogueRecord, RecordKind
from spice_core.domain.commands import Command, CommandType
from spice_core.errors import RecordNotFound
from spice_core.ports.registry import Registry
from spice_core.services.submit_commands import Accepted, CommandService, Origin


class RecordCommands:
    """The way in for changes of records. What a document must hold is checked by whoever owns the kind, before."""

    def __init__(self, *, commands: CommandService, registry: Registry) -> None:
        self._commands = commands
        self._registry = registry

    def save(
        self,
        database: str,
        kind: RecordKind,
        record_id: str,
        document: Mapping[str, Any],
        *,
        branch: str = naming.MAIN,
        parent: str = "",
        status: str = "",
        expected_seq: int | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Add or replace a record. Without `expected_seq` whatever stands there is replaced.

        Raises:
            OptimisticConcurrencyConflict: the record is not at version `expected_seq` (0: it was never there).
            DatabaseNotFound, LogBehind, StoreUnavailable: as every command.
        """
        draft = self.draft(
            database, kind, record_id, document, branch=branch, parent=parent, status=status, expected_seq=expected_seq, **origin
        )
        return self._commands.submit(database, [draft])[0]

    def draft(
        self,
        database: str,
        kind: RecordKind,
        record_id: str,
        document: Mapping[str, Any],
        *,
        branch: str = naming.MAIN,
        parent: str = "",
        status: str = "",
        expected_seq: int | None = None,
        **origin: Unpack[Origin],
    ) -> Command:
        """Return the command of `save`, to be submitted with others as one unit."""
        command = self._commands.command(CommandType.SAVE_RECORD, database, kind, *naming.split_aggregate_id(record_id), **origin)
        payload = {"document": dict(document), "parent": parent, "status": status}
        return replace(command, branch=branch, payload=payload, expected_seq=expected_seq)

    def delete(
        self, database: str, kind: RecordKind, record_id: str, *, expected_seq: int | None = None, **origin: Unpack[Origin]
    ) -> Accepted:
        """Remove a record. Raises `RecordNotFound`, and as `save`."""
        found = self.require(database, kind, record_id)
        command = self._commands.command(
            CommandType.DELETE_RECORD, database, kind, *naming.split_aggregate_id(record_id), **origin
        )
        return self._commands.submit(database, [replace(command, branch=found.branch, expected_seq=expected_seq)])[0]

    def require(self, database: str, kind: RecordKind, record_id: str) -> CatalogueRecord:
        """Return a record. Raises `RecordNotFound`."""
        found = self._registry.record(database, kind, record_id)
        if found is None:
            raise RecordNotFound(f"There is no {_WORDS[kind]} {record_id[:200]!r}")
        return found


_WORDS: Mapping[RecordKind, str] = {
    RecordKind.INGEST: "ingest request",
    RecordKind.CORRECTION: "correction",
    RecordKind.WATCH: "watched place",
    RecordKind.CONNECTION: "connection",
    RecordKind.CONNECTOR_SOURCE: "connector source",
    RecordKind.CONNECTOR_SYNC: "sync",
    RecordKind.KEY_SPEC: "key spec",
    RecordKind.LINK_TYPE: "link type",
    RecordKind.LINK_EDIT: "link edit",
    RecordKind.LINK_RUN: "link run",
    RecordKind.GATE: "gate",
    RecordKind.CLASS_RESET: "class reset",
}
