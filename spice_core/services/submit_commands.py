"""Accepting commands: check what can be known at once, then append to the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, Unpack
from uuid import NAMESPACE_URL, UUID, uuid5

from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType
from spice_core.domain.events import RecordedEvent
from spice_core.domain.instances import InstanceState, checked_patch, created, generated_id, key_id
from spice_core.domain.ontology import ClassDefinition
from spice_core.domain.ontology_json import MAX_PROPERTIES, class_from_json, class_to_json
from spice_core.domain.resolution import Ontology
from spice_core.errors import (
    AlreadyExists,
    ClassNotFound,
    Forbidden,
    InstanceNotFound,
    InvalidInput,
    InvalidOntology,
    OptimisticConcurrencyConflict,
    TooLarge,
)
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.command_log import CommandLog
from spice_core.services.settled_graph import SettledGraph, required_class


class Origin(TypedDict, total=False):
    """Who asks, under which id, and from which request: what every command may carry."""

    actor: str | None
    command_id: str | None
    trace: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """Bounds on what is accepted."""

    read_wait_seconds: float = 2.0
    max_property_count: int = MAX_PROPERTIES
    max_bulk_rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted command at its place in the log; `is_duplicate` where it was accepted before and this is that answer."""

    command_id: str
    database: str
    branch: str
    aggregate_type: str
    aggregate_id: str
    sequence_number: int
    position: int
    is_duplicate: bool
    class_id: str | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptedBulk:
    """An accepted bulk request: its marker (`bulk_id` is the marker's command id), and one `Accepted` per row, in order."""

    bulk_id: str
    database: str
    branch: str
    aggregate_id: str
    position: int
    is_duplicate: bool
    members: Sequence[Accepted]


@dataclass(frozen=True, slots=True)
class BulkRow:
    """One row of a bulk request: `data` is the instance or the patch; update and delete name instance and number."""

    data: Mapping[str, Any] = field(default_factory=dict)
    instance_id: str | None = None
    expected_seq: int | None = None
    source: Mapping[str, Any] | None = None


BulkKind = Literal["create", "update", "delete"]


def command_id_of_key(database: str, key: str) -> str:
    """Return the command id that an `Idempotency-Key` stands for in `database` (uuid5, repeatable)."""
    return str(uuid5(NAMESPACE_URL, f"spice:{database}:{key}"))


class CommandService:
    """The one way in for every change of databases, branches, classes and instances.

    Every method appends and returns at once; the graph worker decides. Common arguments: `actor` is the verified principal;
    `command_id` (a UUID) makes a repetition harmless: the same request again gives the first answer, another one raises
    `IdempotencyMismatch`; `trace` goes to the event's metadata; `source` says where values came from.

    Common errors: `InvalidName`; `DatabaseNotFound`, `BranchNotFound`, `ClassNotFound`; `LogBehind` (retryable) while what
    was accepted before is undecided; `OptimisticConcurrencyConflict`, and nothing is appended, where `expected_seq` is not
    the aggregate's number; `InvalidInput` where an update or delete carries none; `LogBehind`, `StoreUnavailable`,
    `LedgerUnavailable`, `GraphUnavailable` (retryable) when a part is down.
    """

    def __init__(
        self,
        *,
        log: CommandLog,
        graph: GraphStore,
        work: WorkLedger,
        clock: Clock,
        ids: IdSource,
        limits: CommandLimits = CommandLimits(),  # noqa: B008 - frozen
    ) -> None:
        self._log = log
        self._graph = graph
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self.settled = SettledGraph(log=log, graph=graph, work=work, clock=clock, wait_seconds=limits.read_wait_seconds)

    def create_database(
        self,
        name: str,
        *,
        description: str = "",
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Create a database with its branch `main`. Raises `Forbidden` for a system database, `AlreadyExists`."""
        _refuse_system_database(name)
        naming.database_name(name)
        command = self._command(CommandType.CREATE_DATABASE, name, "Database", name, origin)
        command = replace(command, payload={"name": name, "description": _checked_text(description, "description")})
        if not self._is_known(origin, name) and name in self._graph.databases() and self.settled.is_settled(name):
            raise AlreadyExists(f"database {name!r} exists", details={"database": name})
        return self._append(command, create=True)

    def delete_database(
        self,
        name: str,
        *,
        expected_seq: int | None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Delete a database with all its branches. Raises `Forbidden` for a system database."""
        _refuse_system_database(name)
        command = self._command(CommandType.DELETE_DATABASE, name, "Database", name, origin)
        if not self._is_known(origin, name):
            self.settled.view(name, naming.MAIN)
        return self._append(replace(command, expected_seq=_required_seq(expected_seq)))

    def create_branch(
        self,
        database: str,
        name: str,
        *,
        source: str = naming.MAIN,
        description: str = "",
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Create branch `name` at the head of `source` (a branch, or any ref of the graph). Raises `AlreadyExists`."""
        naming.branch_name(name)
        command = self._branch_command(CommandType.CREATE_BRANCH, database, name, origin)
        command = replace(command, payload={"source": source, "description": _checked_text(description, "description")})
        if not self._is_known(origin, database):
            self.settled.view(database, source)
            is_there = any(branch.name == name for branch in self._graph.branches(database))
            if is_there and self.settled.is_settled(database):
                raise AlreadyExists(f"branch {name!r} exists", details={"branch": name})
        return self._append(command)

    def delete_branch(
        self,
        database: str,
        name: str,
        *,
        expected_seq: int | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Delete branch `name`; without `expected_seq` as it is now. Raises `Forbidden` for main."""
        if name == naming.MAIN:
            raise Forbidden("main cannot be deleted", details={"branch": name})
        command = self._branch_command(CommandType.DELETE_BRANCH, database, name, origin)
        if not self._is_known(origin, database):
            self.settled.view(database, name)
        return self._append(replace(command, expected_seq=expected_seq))

    def create_class(
        self,
        database: str,
        branch: str,
        definition: Mapping[str, Any] | ClassDefinition,
        *,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Add a class. Raises `InvalidOntology` (details name every field), `AlreadyExists`."""
        found = self._definition(definition)
        command = self._class_command(
            CommandType.CREATE_ONTOLOGY_CLASS, database, branch, found.id, origin
        )
        if not self._is_known(origin, database):
            ontology = self.settled.ontology(database, branch, found.referenced_classes | {found.id})
            if found.id in ontology.definitions:
                raise AlreadyExists(f"class {found.id!r} exists", details={"class_id": found.id})
            ontology.with_class(found).resolve(found.id)
        return self._append(replace(command, payload=class_to_json(found)))

    def update_class(
        self,
        database: str,
        branch: str,
        class_id: str,
        definition: Mapping[str, Any] | ClassDefinition,
        *,
        expected_seq: int | None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Replace the definition of a class. Raises `InvalidOntology`; what breaks instances fails when it is decided."""
        found = self._definition(definition)
        if found.id != class_id:
            raise InvalidOntology(f"the id of a class cannot change from {class_id!r} to {found.id!r}")
        command = self._class_command(
            CommandType.UPDATE_ONTOLOGY_CLASS, database, branch, class_id, origin
        )
        command = replace(command, payload=class_to_json(found), expected_seq=_required_seq(expected_seq))
        if not self._is_known(origin, database):
            ontology = self.settled.ontology(database, branch, found.referenced_classes | {class_id})
            required_class(ontology, class_id)
            changed = ontology.with_class(found)
            for member in sorted(changed.family(class_id)):
                changed.resolve(member)
            command = self._on_branch(command)
        return self._append(command)

    def delete_class(
        self,
        database: str,
        branch: str,
        class_id: str,
        *,
        expected_seq: int | None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Remove a class. One with instances, or that others name, is refused when it is decided."""
        command = self._class_command(
            CommandType.DELETE_ONTOLOGY_CLASS, database, branch, class_id, origin
        )
        command = replace(command, expected_seq=_required_seq(expected_seq))
        if not self._is_known(origin, database):
            required_class(self.settled.ontology(database, branch, frozenset({class_id})), class_id)
            command = self._on_branch(command)
        return self._append(command)

    def create_instance(
        self,
        database: str,
        branch: str,
        class_id: str,
        data: Mapping[str, Any],
        *,
        source: Mapping[str, Any] | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Create an instance; its id follows from the primary key. Raises `InvalidInstance` (details name every field)."""
        row = BulkRow(data, source=source)
        return self._one(CommandType.CREATE_INSTANCE, database, branch, class_id, row, origin)

    def update_instance(
        self,
        database: str,
        branch: str,
        class_id: str,
        instance_id: str,
        patch: Mapping[str, Any],
        *,
        expected_seq: int | None,
        source: Mapping[str, Any] | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Change the fields of `patch`; a null removes one. Raises `InvalidInstance`, `InstanceNotFound`."""
        row = BulkRow(patch, instance_id, expected_seq, source)
        return self._one(CommandType.UPDATE_INSTANCE, database, branch, class_id, row, origin)

    def delete_instance(
        self,
        database: str,
        branch: str,
        class_id: str,
        instance_id: str,
        *,
        expected_seq: int | None,
        source: Mapping[str, Any] | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Delete an instance. One that others link to is refused when it is decided, unless the links go with it."""
        row = BulkRow({}, instance_id, expected_seq, source)
        return self._one(CommandType.DELETE_INSTANCE, database, branch, class_id, row, origin)

    def bulk(
        self,
        database: str,
        branch: str,
        class_id: str,
        kind: BulkKind,
        rows: Sequence[BulkRow],
        **origin: Unpack[Origin],
    ) -> AcceptedBulk:
        """Append one command per row as one unit, behind a marker whose command id is the bulk id.

        Raises:
            InvalidInstance: nothing is appended; `details["errors"]` lists every bad row as `{"row", "field", "message"}`
                (rows count from 0).
            TooLarge: too many rows.
        """
        raise NotImplementedError

    def submit(self, database: str, commands: Sequence[Command], *, create: bool = False) -> list[Accepted]:
        """Append ready-made commands as one unit: for the registry, for runs and for dead letters.

        A command's own `expected_seq` is checked where it has one. Nothing else is: the handler decides.
        """
        raise NotImplementedError
