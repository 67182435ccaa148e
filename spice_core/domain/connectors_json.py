"""Connections, sources and sync states as the documents of catalogue records. Secrets are in none of them."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from spice_core.domain.catalogue_records import CatalogueRecord
from spice_core.domain.connectors import (
    Connection,
    ConnectionStatus,
    ConnectorSource,
    DeletedPolicy,
    SyncRun,
    SyncState,
    SyncStatus,
)

_TIMES = ("next_try_at", "synced_at", "full_read_at")


def connection_document(connection: Connection) -> dict[str, Any]:
    """Return the document of a connection's record; its version is the record's."""
    return _without_version({**asdict(connection), "config": dict(connection.config)})


def connection_of(record: CatalogueRecord) -> Connection:
    """Read a connection back; unknown fields are left out."""
    values = _known(Connection, record.document)
    values["secret_fields"] = tuple(values.get("secret_fields", ()))
    values["status"] = ConnectionStatus(values.get("status", ConnectionStatus.ACTIVE))
    return Connection(**{**values, "version": record.version})


def source_document(source: ConnectorSource) -> dict[str, Any]:
    """Return the document of a source's record; its version is the record's."""
    return _without_version({**asdict(source), "options": dict(source.options), "key_columns": list(source.key_columns)})


def source_of(record: CatalogueRecord) -> ConnectorSource:
    """Read a source back; unknown fields are left out."""
    values = _known(ConnectorSource, record.document)
    values["key_columns"] = tuple(values.get("key_columns", ()))
    values["on_source_deleted"] = DeletedPolicy(values.get("on_source_deleted", DeletedPolicy.KEEP))
    return ConnectorSource(**{**values, "version": record.version})


def state_document(state: SyncState) -> dict[str, Any]:
    """Return the document of a sync's record; times are ISO 8601."""
    times = {name: _text(getattr(state, name)) for name in _TIMES}
    runs = [{**asdict(run), "at": run.at.isoformat()} for run in state.runs]
    return _without_version({**asdict(state), **times, "runs": runs})


def state_of(record: CatalogueRecord) -> SyncState:
    """Read a sync state back; unknown fields are left out."""
    values = _known(SyncState, record.document)
    for name in _TIMES:
        values[name] = _time(values.get(name))
    values["runs"] = tuple(
        SyncRun(**{**_known(SyncRun, run), "at": datetime.fromisoformat(run["at"])}) for run in values.get("runs", ())
    )
    values["status"] = SyncStatus(values["status"])
    return SyncState(**{**values, "version": record.version})


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: document[item.name] for item in fields(kind) if item.name in document}


def _without_version(document: dict[str, Any]) -> dict[str, Any]:
    del document["version"]
    return document


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
