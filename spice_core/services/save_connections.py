"""Commands on connections and their sources; what is secret of them goes to the secret store and nowhere else."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Unpack

from spice_core.domain import naming
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.connectors import (
    Config,
    Connection,
    ConnectionStatus,
    ConnectorSource,
    connection_id_of,
    source_id_of,
)
from spice_core.domain.connectors_json import connection_document, connection_of, source_document, source_of
from spice_core.errors import (
    AlreadyExists,
    IdempotencyMismatch,
    IntegrityViolation,
    InvalidInput,
    SourceNotAuthorized,
    StillReferenced,
)
from spice_core.ports.clock import Clock
from spice_core.ports.connector import Access, ConfigField, Connector, FoundSource
from spice_core.ports.id_source import IdSource
from spice_core.ports.registry import Registry
from spice_core.ports.secret_store import SecretStore
from spice_core.services.fetch_source import spec_of
from spice_core.services.submit_commands import Accepted, Origin
from spice_core.services.submit_records import RecordCommands

_WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.02
_ALL = 100_000
_LONGEST_INTERVAL = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved, and the command that says so."""

    record_id: str
    accepted: Accepted


class ConnectionCommands:
    """The way in for connections and sources."""

    def __init__(
        self,
        *,
        connectors: Mapping[str, Connector],
        records: RecordCommands,
        registry: Registry,
        secrets: SecretStore,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._connectors = connectors
        self._records = records
        self._registry = registry
        self._secrets = secrets
        self._clock = clock
        self._ids = ids

    def save_connection(
        self,
        database: str,
        name: str,
        kind: str,
        config: Config,
        secrets: Mapping[str, str],
        *,
        expected_seq: int | None = None,
        **origin: Unpack[Origin],
    ) -> Saved:
        """Add or replace a connection. A secret that is not given stays, an empty one is removed. It is active afterwards.

        The secrets are stored under a fresh name before the command that points to it, and the old ones are removed behind
        it: whatever dies between, the connection has a whole set. A repeated request leaves what was saved behind it.

        Raises:
            InvalidInput: unknown kind or field, a field is missing, or the address changed and the secrets were not given anew.
            OptimisticConcurrencyConflict: as `RecordCommands.save`.
        """
        connection_id, connector = connection_id_of(database, name), self.connector(kind)
        known = self.find_connection(database, connection_id)
        if known is not None and known.kind != kind:
            raise AlreadyExists(f"{name} is a connection of kind {known.kind}; choose another name")
        config, given = self._prepared(connector, config, secrets)
        kept = self._kept_secrets(known)
        _check_address(connector, known, config, kept, given)
        merged = {field: value for field, value in {**kept, **given}.items() if value}
        secret_id = known.secret_id if known is not None and dict(kept) == merged else ""
        if merged and not secret_id:
            secret_id = self._stored(connection_id, merged, origin.get("command_id") or self._ids.new_id())
        connection = Connection(connection_id, database, name, kind, config, secret_id, tuple(sorted(merged)))
        accepted = self._save_connection(connection, expected_seq=expected_seq, **origin)
        before = "" if known is None else known.secret_id
        if before not in ("", secret_id) or accepted.is_duplicate:
            self._drop_unused(connection_id, accepted, {before, secret_id} - {""})
        return Saved(connection_id, accepted)

    def set_secrets(self, connection: Connection, secrets: Mapping[str, str], **origin: Unpack[Origin]) -> Saved:
        """Replace some secrets of a connection, which is active afterwards. Raises as `save_connection`."""
        return self.save_connection(connection.database, connection.name, connection.kind, connection.config, secrets, **origin)

    def mark(self, connection: Connection, status: ConnectionStatus, **origin: Unpack[Origin]) -> None:
        """Say how the credentials of a connection are. Raises `OptimisticConcurrencyConflict` where it was saved meanwhile."""
        self._save_connection(replace(connection, status=status), expected_seq=connection.version, **origin)

    def delete_connection(
        self, database: str, connection_id: str, *, expected_seq: int | None = None, **origin: Unpack[Origin]
    ) -> Accepted:
        """Remove a connection with its secrets. Raises `StillReferenced` while it has sources, `RecordNotFound`."""
        connection = self.connection(database, connection_id)
        sources = self.sources(database, connection_id=connection_id)
        if sources:
            raise StillReferenced(f"{connection.name} still has {len(sources)} sources; delete them first")
        accepted = self._records.delete(database, RecordKind.CONNECTION, connection_id, expected_seq=expected_seq, **origin)
        if connection.secret_id:
            self._secrets.delete(connection.secret_id)
        return accepted

    def save_source(self, source: ConnectorSource, *, expected_seq: int | None = None, **origin: Unpack[Origin]) -> Saved:
        """Add or replace a source; its id and incarnation are filled in here.

        Raises:
            RecordNotFound: there is no such connection.
            InvalidInput: a field cannot be.
            AlreadyExists: another source of the connection has this key on this branch.
        """
        connection = self.connection(source.database, source.connection_id)
        source_id = source_id_of(source.database, source.branch, source.dataset)
        connector = self.connector(connection.kind)
        _check_source(source, connector)
        for other in self.sources(source.database, connection_id=source.connection_id):
            if (other.branch, other.key) == (source.branch, source.key) and other.source_id != source_id:
                raise AlreadyExists(f"{source.key} already fills the dataset {other.dataset} on {other.branch}")
        spec = connector.prepare_source(connection.config, spec_of(source))
        known = self._registry.record(source.database, RecordKind.CONNECTOR_SOURCE, source_id)
        before = source_of(known) if known is not None else None
        source = replace(source, source_id=source_id, key=spec.key, options=dict(spec.options))
        is_same = before is not None and before.reading == source.reading
        incarnation = before.incarnation if before is not None and is_same else origin.get("command_id") or self._ids.new_id()
        source = replace(source, incarnation=incarnation)
        accepted = self._records.save(
            source.database,
            RecordKind.CONNECTOR_SOURCE,
            source_id,
            source_document(source),
            branch=source.branch,
            parent=source.connection_id,
            status="enabled" if source.is_enabled else "disabled",
            expected_seq=expected_seq,
            **origin,
        )
        return Saved(source_id, accepted)

    def delete_source(
        self, database: str, source_id: str, *, expected_seq: int | None = None, **origin: Unpack[Origin]
    ) -> Accepted:
        """Remove a source and what is known of its syncs; the dataset stays. Raises `RecordNotFound`."""
        accepted = self._records.delete(database, RecordKind.CONNECTOR_SOURCE, source_id, expected_seq=expected_seq, **origin)
        if self._registry.record(database, RecordKind.CONNECTOR_SYNC, source_id) is not None:
            self._records.delete(database, RecordKind.CONNECTOR_SYNC, source_id)
        return accepted

    def connector(self, kind: str) -> Connector:
        """Return the connector of a kind. Raises `InvalidInput`, which names those there are."""
        if kind not in self._connectors:
            raise InvalidInput(f"there is no kind of connection {kind[:50]!r}; there are {', '.join(sorted(self._connectors))}")
        return self._connectors[kind]

    def connection(self, database: str, connection_id: str) -> Connection:
        """Return a connection. Raises `RecordNotFound`."""
        return connection_of(self._records.require(database, RecordKind.CONNECTION, connection_id))

    def find_connection(self, database: str, connection_id: str) -> Connection | None:
        """Return a connection, None where there is none."""
        found = self._registry.record(database, RecordKind.CONNECTION, connection_id)
        return None if found is None else connection_of(found)

    def source(self, database: str, source_id: str) -> ConnectorSource:
        """Return a source. Raises `RecordNotFound`."""
        return source_of(self._records.require(database, RecordKind.CONNECTOR_SOURCE, source_id))

    def connections(self, database: str) -> list[Connection]:
        """Return the connections of a database by name."""
        found = self._registry.records(database, RecordKind.CONNECTION, limit=_ALL)
        return sorted((connection_of(record) for record in found), key=lambda connection: connection.name)

    def sources(self, database: str, *, connection_id: str | None = None) -> list[ConnectorSource]:
        """Return the sources of a database, or of one connection, by id."""
        found = self._registry.records(database, RecordKind.CONNECTOR_SOURCE, parent=connection_id, limit=_ALL)
        return sorted((source_of(record) for record in found), key=lambda source: source.source_id)

    def access(self, connection: Connection) -> Access:
        """Return what a connector needs to reach a connection. Raises `SourceNotAuthorized` where its secrets are gone."""
        return Access(connection.connection_id, connection.config, self.secrets_of(connection))

    def check(self, connection: Connection) -> str:
        """Ask the place whether it lets us in; raises as `Connector.check`."""
        return self.connector(connection.kind).check(self.access(connection))

    def discover(self, connection: Connection) -> Sequence[FoundSource]:
        """Return what a connection offers; raises as `Connector.list_sources`."""
        return self.connector(connection.kind).list_sources(self.access(connection))

    def secrets_of(self, connection: Connection) -> Mapping[str, str]:
        """Return the secrets of a connection by field: for connectors only."""
        if not connection.secret_id:
            return {}
        text = self._secrets.get(connection.secret_id)
        if text is None:
            raise SourceNotAuthorized(f"the secrets of {connection.name} are not there: give them again")
        found: Mapping[str, str] = json.loads(text)
        return found

    def _prepared(self, connector: Connector, config: Config, secrets: Mapping[str, str]) -> tuple[Config, Mapping[str, str]]:
        fields = {field.name: field for field in connector.kind.connection_fields}
        _check_fields({**config, **secrets}, fields)
        misplaced = {name: str(value) for name, value in config.items() if fields[name].is_secret and value is not None}
        in_the_open = {name: value for name, value in config.items() if name not in misplaced and value is not None}
        return connector.prepare(in_the_open, {**misplaced, **secrets})

    def _kept_secrets(self, known: Connection | None) -> Mapping[str, str]:
        """Return what may be kept; secrets that cannot be read any more are given anew."""
        try:
            return {} if known is None else self.secrets_of(known)
        except (IntegrityViolation, SourceNotAuthorized):
            return {}

    def _stored(self, connection_id: str, secrets: Mapping[str, str], token: str) -> str:
        """Store a set of secrets under a name made of `token`: that of a repeated request is the same, and so must they be."""
        secret_id, value = f"connection {connection_id} {token}", json.dumps(dict(sorted(secrets.items())))
        known = self._secrets.get(secret_id)
        if known is not None and known != value:
            raise IdempotencyMismatch("the idempotency key was used with other secrets")
        self._secrets.put(secret_id, value)
        return secret_id

    def _save_connection(self, connection: Connection, *, expected_seq: int | None, **origin: Unpack[Origin]) -> Accepted:
        return self._records.save(
            connection.database,
            RecordKind.CONNECTION,
            connection.connection_id,
            connection_document(connection),
            status=connection.status,
            expected_seq=expected_seq,
            **origin,
        )

    def _drop_unused(self, connection_id: str, accepted: Accepted, secret_ids: Set[str]) -> None:
        """Remove sets of secrets that the connection does not name; where readers do not see the command yet, all stay.

        The record decides, not the command: one that is repeated may stand behind others by now.
        """
        if self._is_seen(accepted):
            found = self.find_connection(accepted.database, connection_id)
            for secret_id in secret_ids - {"" if found is None else found.secret_id}:
                self._secrets.delete(secret_id)

    def _is_seen(self, accepted: Accepted) -> bool:
        """Wait, within a bound, until readers see the command: a sync under way may still hold the old name."""
        deadline = self._clock.monotonic() + _WAIT_SECONDS
        while self._registry.position(accepted.database) < accepted.position:
            if self._clock.monotonic() >= deadline:
                return False
            self._clock.sleep(_PAUSE_SECONDS)
        return True


def _check_fields(given: Config, fields: Mapping[str, ConfigField]) -> None:
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise InvalidInput(f"unknown field {', '.join(unknown)[:200]}; there are {', '.join(fields)}")
    for name, field in fields.items():
        value = given.get(name)
        if field.choices and value is not None and value not in field.choices:
            raise InvalidInput(f"{name} is one of {', '.join(field.choices)}")
        if field.is_required and value in (None, ""):
            raise InvalidInput(f"{name} is missing: {field.description}")


def _check_address(
    connector: Connector, known: Connection | None, config: Config, kept: Mapping[str, str], given: Mapping[str, str]
) -> None:
    """Secrets were given for an address: they do not go to another one because somebody changed that alone."""
    if known is None or not kept:
        return
    moved = [
        field.name
        for field in connector.kind.connection_fields
        if field.is_address and config.get(field.name) != known.config.get(field.name)
    ]
    missing = sorted(set(kept) - set(given))
    if moved and missing:
        raise InvalidInput(f"{', '.join(moved)} changed: give {', '.join(missing)} again")


def _check_source(source: ConnectorSource, connector: Connector) -> None:
    _check_fields(source.options, {field.name: field for field in connector.kind.source_fields})
    naming.dataset_name(source.dataset)
    if not 1 <= source.polling_interval_seconds <= _LONGEST_INTERVAL:
        raise InvalidInput(f"polling_interval_seconds is 1 to {_LONGEST_INTERVAL:.0f}")
    if source.full_every_seconds <= 0 or source.overlap < 0:
        raise InvalidInput("full_every_seconds is above 0, overlap not below 0")
    if source.watermark_column is not None and not source.key_columns:
        raise InvalidInput("a watermark column needs key columns: changed rows are merged by them")
    if source.watermark_column is not None and not connector.kind.reads_changes:
        raise InvalidInput(f"{connector.kind.title} is always read whole: it takes no watermark column")
