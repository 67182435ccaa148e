"""Accepting commands: check what can be known at once, then append to the log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, Unpack

from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType, command_of
from spice_core.domain.ontology import ClassDefinition
from spice_core.domain.ontology_json import MAX_PROPERTIES, class_from_json, class_to_json
from spice_core.domain.resolution import ResolvedClass
from spice_core.domain.value_texts import read_text
from spice_core.errors import (
    AlreadyExists,
    ClassNotFound,
    Forbidden,
    InstanceNotFound,
    InvalidInput,
    InvalidInstance,
    InvalidOntology,
    OptimisticConcurrencyConflict,
    TooLarge,
)
from spice_core.ports.clock import Clock
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.id_source import IdSource
from spice_core.ports.work_ledger import WorkLedger
from spice_core.services.accept_commands import Acceptance, Accepted, AcceptedBulk
from spice_core.services.draft_commands import Drafts, Origin, command_id_of_key, row_command
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.settled_graph import ONTOLOGY_AGGREGATE, SettledGraph, required_class
from spice_core.services.submit_rows import (
    BULK_TYPES,
    INSTANCE_TYPES,
    BulkKind,
    BulkRow,
    checked_row,
    member_id,
    required_seq,
    row_problems,
)

__all__ = [
    "Accepted",
    "AcceptedBulk",
    "BulkKind",
    "BulkRow",
    "CommandLimits",
    "CommandService",
    "Origin",
    "command_id_of_key",
]

T = TypeVar("T")

_OF_INSTANCES = frozenset({*INSTANCE_TYPES.values(), *BULK_TYPES.values()})


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """Bounds on what is accepted."""

    read_wait_seconds: float = 2.0
    max_property_count: int = MAX_PROPERTIES
    max_bulk_rows: int = 9_999


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
        log: EventLog,
        graph: GraphStore,
        work: WorkLedger,
        clock: Clock,
        ids: IdSource,
        limits: CommandLimits = CommandLimits(),
    ) -> None:
        self.settled = SettledGraph(log=log, graph=graph, work=work, clock=clock, wait_seconds=limits.read_wait_seconds)
        self._graph = graph
        self._limits = limits
        self._drafts = Drafts(clock, ids)
        self._acceptance = Acceptance(log, graph)

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
        command = self._drafts.command(CommandType.CREATE_DATABASE, name, "Database", name, **origin)
        command = replace(command, payload={"name": name, "description": _checked_text(description, "description")})
        if self._acceptance.known(origin, name) is None and name in self._graph.databases() and self.settled.is_settled(name):
            raise AlreadyExists(f"database {name!r} exists", details={"database": name})
        return self.submit(name, [command], create=True)[0]

    def delete_database(
        self,
        name: str,
        *,
        expected_seq: int | None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Delete a database with all its branches. Raises `Forbidden` for a system database."""
        _refuse_system_database(name)
        command = self._drafts.command(CommandType.DELETE_DATABASE, name, "Database", name, **origin)
        if self._acceptance.known(origin, name) is None:
            self.settled.view(name, naming.MAIN)
        return self.submit(name, [replace(command, expected_seq=required_seq(expected_seq))])[0]

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
        command = self._drafts.command(CommandType.CREATE_BRANCH, database, "Branch", database, name, **origin)
        command = replace(command, branch=name)
        command = replace(command, payload={"source": source, "description": _checked_text(description, "description")})
        if self._acceptance.known(origin, database) is None:
            self.settled.view(database, source)
            is_there = any(branch.name == name for branch in self._graph.branches(database))
            if is_there and self.settled.is_settled(database):
                raise AlreadyExists(f"branch {name!r} exists", details={"branch": name})
        return self.submit(database, [command])[0]

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
        command = self._drafts.command(CommandType.DELETE_BRANCH, database, "Branch", database, name, **origin)
        command = replace(command, branch=name)
        if self._acceptance.known(origin, database) is None:
            self.settled.view(database, name)
        return self.submit(database, [replace(command, expected_seq=expected_seq)])[0]

    def create_class(
        self,
        database: str,
        branch: str,
        definition: Mapping[str, Any] | ClassDefinition,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Add a class. Raises `InvalidOntology` (details name every field), `AlreadyExists`."""
        found = self._definition(definition)
        command = self._class_command(CommandType.CREATE_ONTOLOGY_CLASS, database, branch, found.id, origin)
        if self._acceptance.known(origin, database) is None:
            ontology = self.settled.ontology(database, branch, found.referenced_classes | {found.id})
            if found.id in ontology.definitions:
                raise AlreadyExists(f"class {found.id!r} exists", details={"class_id": found.id})
            ontology.with_class(found).resolve(found.id)
        return self.submit(database, [replace(command, payload=class_to_json(found))])[0]

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
        command = self._class_command(CommandType.UPDATE_ONTOLOGY_CLASS, database, branch, class_id, origin)
        command = replace(command, payload=class_to_json(found), expected_seq=required_seq(expected_seq))
        if self._acceptance.known(origin, database) is None:
            ontology = self.settled.ontology(database, branch, found.referenced_classes | {class_id})
            required_class(ontology, class_id)
            changed = ontology.with_class(found)
            for member in sorted(changed.family(class_id)):
                changed.resolve(member)
        return self.submit(database, [command])[0]

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
        command = self._class_command(CommandType.DELETE_ONTOLOGY_CLASS, database, branch, class_id, origin)
        command = replace(command, expected_seq=required_seq(expected_seq))
        if self._acceptance.known(origin, database) is None:
            required_class(self.settled.ontology(database, branch, frozenset({class_id})), class_id)
        return self.submit(database, [command])[0]

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
        return self._one("create", database, branch, class_id, row=row, origin=origin)

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
        return self._one("update", database, branch, class_id, row=row, origin=origin)

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
        return self._one("delete", database, branch, class_id, row=row, origin=origin)

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
        if len(rows) > self._limits.max_bulk_rows:
            raise TooLarge(f"a bulk request takes up to {self._limits.max_bulk_rows} rows, not {len(rows)}")
        marker = self._drafts.command(BULK_TYPES[kind], database, "Bulk", "", **origin)
        bulk_id = marker.command_id
        marker = replace(
            marker,
            aggregate_id=naming.aggregate_id(database, bulk_id),
            branch=branch,
            class_id=class_id,
            payload={"count": len(rows)},
        )
        ids = [member_id(bulk_id, number) for number in range(len(rows))]
        known = self._acceptance.known(origin, database)
        if known is not None and known.event.is_command and known.event.aggregate_type == "Bulk":
            instance_ids = self._acceptance.first_targets(marker, known, rows)
        else:
            instance_ids = self._with_class(
                database, branch, class_id, lambda resolved: _checked_rows(kind, resolved, rows, command_ids=ids)
            )
        members = [
            row_command(kind, marker, row, instance_id, command_id=command_id)
            for row, instance_id, command_id in zip(rows, instance_ids, ids, strict=True)
        ]
        first, *others = self.submit(database, [marker, *members])
        return AcceptedBulk(bulk_id, database, branch, first.aggregate_id, first.position, first.is_duplicate, others)

    def submit(self, database: str, commands: Sequence[Command], *, create: bool = False) -> list[Accepted]:
        """Append ready-made commands as one unit, without looking at their payload: the handler decides.

        A command's `expected_seq` is checked where it has one. For the registry, for runs and for dead letters.
        """
        accepted = self._acceptance.submit(database, commands, create=create)
        if any(command.command_type not in _OF_INSTANCES for command in commands):
            self.settled.forget(database)
        return accepted

    def is_known(self, database: str, origin: Origin) -> bool:
        """Whether the log has the command id that the client chose: this is a repetition."""
        return self._acceptance.known(origin, database) is not None

    def command(
        self, command_type: CommandType, database: str, aggregate_type: str, *parts: str, **origin: Unpack[Origin]
    ) -> Command:
        """Return a new command on the aggregate `naming.aggregate_id(*parts)`, for `submit`; fill in the rest by `replace`."""
        return self._drafts.command(command_type, database, aggregate_type, *parts, **origin)

    def _one(self, kind: BulkKind, database: str, branch: str, class_id: str, *, row: BulkRow, origin: Origin) -> Accepted:
        draft = self._drafts.command(INSTANCE_TYPES[kind], database, "Instance", "", **origin)
        draft = replace(draft, branch=branch, class_id=class_id)
        known = self._acceptance.known(origin, database)
        if known is not None and known.event.is_command and command_of(known.event).instance_id:
            # A repetition: what the class has become meanwhile is no reason to refuse it.
            found = command_of(known.event).instance_id if kind == "create" else row.instance_id
            instance_id = str(found)
        else:
            instance_id = self._with_class(
                database, branch, class_id, lambda resolved: checked_row(kind, resolved, row, command_id=draft.command_id)
            )
        try:
            return self.submit(database, [row_command(kind, draft, row, instance_id)])[0]
        except OptimisticConcurrencyConflict as error:
            if error.actual_seq == 0:
                raise _no_instance(class_id, instance_id) from error
            raise

    def _class_command(self, command_type: CommandType, database: str, branch: str, class_id: str, origin: Origin) -> Command:
        draft = self._drafts.command(command_type, database, ONTOLOGY_AGGREGATE, database, branch, class_id, **origin)
        return replace(draft, branch=branch, class_id=class_id)

    def _with_class(self, database: str, branch: str, class_id: str, check: Callable[[ResolvedClass], T]) -> T:
        """Run `check` on the class; a refusal counts only against the newest ontology."""
        class_ids = frozenset({class_id})
        ontology = self.settled.ontology(database, branch, class_ids)
        try:
            return check(ontology.resolve(class_id))
        except (InvalidInput, ClassNotFound):
            newest = self.settled.ontology(database, branch, class_ids, fresh=True)
            if newest is ontology:
                raise
            return check(newest.resolve(class_id))

    def _definition(self, definition: Mapping[str, Any] | ClassDefinition) -> ClassDefinition:
        if isinstance(definition, ClassDefinition):
            definition = class_to_json(definition)
        return class_from_json(definition, max_properties=self._limits.max_property_count)


def _checked_rows(kind: BulkKind, resolved: ResolvedClass, rows: Sequence[BulkRow], *, command_ids: Sequence[str]) -> list[str]:
    targets: list[str | InvalidInput] = []
    for row, command_id in zip(rows, command_ids, strict=True):
        try:
            targets.append(checked_row(kind, resolved, row, command_id=command_id))
        except InvalidInput as error:
            targets.append(error)
    problems = row_problems(rows, targets)
    if problems:
        bad = len({problem["row"] for problem in problems})
        raise InvalidInstance(f"{bad} of {len(rows)} rows are not valid; nothing was accepted", details={"errors": problems})
    return [str(target) for target in targets]


def _no_instance(class_id: str, instance_id: str) -> InstanceNotFound:
    return InstanceNotFound(f"there is no {class_id} {instance_id!r}", details={"class_id": class_id, "instance_id": instance_id})


def _refuse_system_database(name: str) -> None:
    if name in naming.RESERVED_DATABASES:
        raise Forbidden(f"{name!r} belongs to the platform", details={"database": name})


def _checked_text(text: str, field: str) -> str:
    try:
        return read_text(text)
    except ValueError as error:
        raise InvalidInput(f"{field} {error}", details={"errors": [{"field": field, "message": str(error)}]}) from error
