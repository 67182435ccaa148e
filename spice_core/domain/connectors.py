"""Connections to places outside that hold tables, the sources taken from them, and where the sync of each stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from spice_core.domain import naming

ConfigValue = str | int | float | bool | None
Config = Mapping[str, ConfigValue]

POLLING_SECONDS = 300.0
KEPT_RUNS = 20


class ConnectionStatus(StrEnum):
    """Whether a connection's credentials are good as far as is known."""

    ACTIVE = "active"
    NEEDS_AUTHORIZATION = "needs_authorization"


class SyncStatus(StrEnum):
    """Where the sync of a source stands. `failed` waits for an operator; `gone` for the source to come back."""

    NEVER = "never"
    OK = "ok"
    RETRYING = "retrying"
    FAILED = "failed"
    GONE = "gone"
    NEEDS_AUTHORIZATION = "needs_authorization"
    DISCARDED = "discarded"


class DeletedPolicy(StrEnum):
    """What happens to the dataset of a source that is gone at its origin.

    `keep` leaves it and looks again, `fail` makes the sync a dead one for an operator, `delete_dataset` removes it.
    """

    KEEP = "keep"
    FAIL = "fail"
    DELETE_DATASET = "delete_dataset"


@dataclass(frozen=True, slots=True)
class Connection:
    """One place outside, with what is needed to reach it.

    Attributes:
        connection_id: `{db}:{name}`, encoded by `naming.aggregate_id`.
        config: what is not secret.
        secret_id: where the secret store keeps the rest, empty where there is none; `secret_fields` names what is kept there.
        version: the sequence number of its last command.
    """

    connection_id: str
    database: str
    name: str
    kind: str
    config: Config
    secret_id: str = ""
    secret_fields: tuple[str, ...] = ()
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    version: int = 0


@dataclass(frozen=True, slots=True)
class ConnectorSource:
    """One table of a connection (a worksheet, a table, a query) that fills one dataset.

    Attributes:
        source_id: the id of the dataset that it fills: `{db}:{branch}:{dataset}`.
        incarnation: fresh with every creation and every change of `reading`: what syncs of the one before left behind says
            nothing of this one, and its uploads are not repeated.
        key: what the connector knows it by, stable under renaming; `title` is for people.
        options: of the connector's kind.
        key_columns: tell rows apart; needed where only changes are read.
        watermark_column: grows with every change of a row; None reads the whole table each time.
        overlap: how far behind the highest watermark to read again: seconds of a time, units of a number.
        full_every_seconds: how often everything is read although there is a watermark: only that sees deleted rows.
        has_header: override what the table's own look tells.
    """

    source_id: str
    database: str
    branch: str
    dataset: str
    connection_id: str
    key: str
    incarnation: str
    title: str = ""
    options: Config = field(default_factory=dict)
    key_columns: tuple[str, ...] = ()
    watermark_column: str | None = None
    overlap: float = 300.0
    full_every_seconds: float = 86_400.0
    has_header: bool | None = None
    polling_interval_seconds: float = POLLING_SECONDS
    is_enabled: bool = True
    on_source_deleted: DeletedPolicy = DeletedPolicy.KEEP
    version: int = 0

    @property
    def reading(self) -> tuple[object, ...]:
        """What is read, and how: where that changes, rows of earlier reads are no part of the table any more."""
        options = tuple(sorted(self.options.items()))
        return self.connection_id, self.key, options, self.key_columns, self.watermark_column, self.has_header


@dataclass(frozen=True, slots=True)
class SyncRun:
    """What one sync did: `new_version`, `unchanged`, `deleted`, or an error code."""

    at: datetime
    result: str
    version_id: str | None = None
    row_count: int | None = None
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where the sync of a source stands.

    Attributes:
        cursor: the connector's own word on how far it has read; None: nothing yet.
        revision: the change token of that read; equal to the present one: nothing changed.
        content_hash: sha256 hex of the file that was uploaded last.
        version_id: the dataset version that it became.
        incarnation: of the source that this is about; a state of another one says nothing of it.
        failed_revision: the change token that the sync failed at for good: it is tried again by itself once that differs.
        generation: how many versions and deletions this source made: part of every upload's idempotency key.
        attempts: failures in a row.
        next_try_at: not before; None: by the polling interval.
        runs: the newest ones that changed something, newest first.
        version: the sequence number of the record, 0 where there is none.
    """

    source_id: str
    status: SyncStatus = SyncStatus.NEVER
    cursor: str | None = None
    revision: str | None = None
    content_hash: str | None = None
    version_id: str | None = None
    incarnation: str = ""
    failed_revision: str | None = None
    generation: int = 0
    attempts: int = 0
    next_try_at: datetime | None = None
    synced_at: datetime | None = None
    full_read_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    runs: tuple[SyncRun, ...] = ()
    version: int = 0


def connection_id_of(database: str, name: str) -> str:
    """Return the id of a connection. Raises `InvalidName`: its name follows the rules of datasets."""
    return naming.aggregate_id(naming.database_name(database), naming.dataset_name(name))


def source_id_of(database: str, branch: str, dataset: str) -> str:
    """Return the id of the one source that may fill a dataset: the dataset's own."""
    return naming.aggregate_id(naming.database_name(database), naming.branch_name(branch), naming.dataset_name(dataset))
