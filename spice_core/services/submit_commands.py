"""Accepting commands: check what can be known at once, then append to the log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar, Unpack
from uuid import NAMESPACE_URL, UUID, uuid5

from spice_core.domain import naming
from spice_core.domain.commands import Command, CommandType, command_of
from spice_core.domain.events import RecordedEvent
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
from spice_core.services.event_log.event_log import EventLog
from spice_core.services.settled_graph import ONTOLOGY_AGGREGATE, SettledGraph, class_key, required_class
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

T = TypeVar("T")


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
        log: EventLog,
        graph: GraphStore,
        work: WorkLedger,
        clock: Clock,
        ids: IdSource,
        limits: CommandLimits = CommandLimits(),
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
        command = self._command(CommandType.CREATE_DATABASE, name, "Database", origin, name)
        command = replace(command, payload={"name": name, "description": _checked_text(description, "description")})
        if self._known(origin, name) is None and name in self._graph.databases() and self.settled.is_settled(name):
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
        command = self._command(CommandType.DELETE_DATABASE, name, "Database", origin, name)
        if self._known(origin, name) is None:
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
        command = self._command(CommandType.CREATE_BRANCH, database, "Branch", origin, database, name)
        command = replace(command, branch=name)
        command = replace(command, payload={"source": source, "description": _checked_text(description, "description")})
        if self._known(origin, database) is None:
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
        command = self._command(CommandType.DELETE_BRANCH, database, "Branch", origin, database, name)
        command = replace(command, branch=name)
        if self._known(origin, database) is None:
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
        if self._known(origin, database) is None:
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
        if self._known(origin, database) is None:
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
        if self._known(origin, database) is None:
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
        return self._one("create", database, branch, class_id, row, origin)

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
        return self._one("update", database, branch, class_id, row, origin)

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
        return self._one("delete", database, branch, class_id, row, origin)

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
        marker = self._command(BULK_TYPES[kind], database, "Bulk", origin, "")
        bulk_id = marker.command_id
        marker = replace(
            marker,
            aggregate_id=naming.aggregate_id(database, bulk_id),
            branch=branch,
            class_id=class_id,
            payload={"count": len(rows)},
        )
        ids = [member_id(bulk_id, number) for number in range(len(rows))]
        instance_ids = self._with_class(
            database, branch, class_id, lambda resolved: _checked_rows(kind, resolved, rows, command_ids=ids)
        )
        members = [
            replace(self._row_command(kind, marker, row, instance_id), command_id=command_id, bulk_id=bulk_id)
            for row, instance_id, command_id in zip(rows, instance_ids, ids, strict=True)
        ]
        first, *others = self.submit(database, [marker, *members])
        return AcceptedBulk(bulk_id, database, branch, first.aggregate_id, first.position, first.is_duplicate, others)

    def submit(self, database: str, commands: Sequence[Command], *, create: bool = False) -> list[Accepted]:
        """Append ready-made commands as one unit, without looking at their payload: the handler decides.

        A command's `expected_seq` is checked where it has one. For the registry, for runs and for dead letters.
        """
        expected = {
            _aggregate(command): self._expected(command, command.expected_seq)
            for command in commands
            if command.expected_seq is not None
        }
        appended = self._log.append(database, [command.as_event() for command in commands], expected=expected, create=create)
        return [
            _accepted(command, recorded, is_duplicate=appended.is_duplicate)
            for command, recorded in zip(commands, appended.events, strict=True)
        ]

    def command(
        self, command_type: CommandType, database: str, aggregate_type: str, *parts: str, **origin: Unpack[Origin]
    ) -> Command:
        """Return a new command on the aggregate `naming.aggregate_id(*parts)`, for `submit`; fill in the rest by `replace`."""
        return self._command(command_type, database, aggregate_type, origin, *parts)

    def _one(self, kind: BulkKind, database: str, branch: str, class_id: str, row: BulkRow, origin: Origin) -> Accepted:
        draft = self._command(INSTANCE_TYPES[kind], database, "Instance", origin, "")
        draft = replace(draft, branch=branch, class_id=class_id)
        known = self._known(origin, database)
        if known is not None and known.event.is_command and command_of(known.event).instance_id:
            instance_id = str(command_of(known.event).instance_id)
        else:
            instance_id = self._with_class(
                database, branch, class_id, lambda resolved: checked_row(kind, resolved, row, command_id=draft.command_id)
            )
        command = self._row_command(kind, draft, row, instance_id)
        try:
            return self.submit(database, [command])[0]
        except OptimisticConcurrencyConflict as error:
            if error.actual_seq == 0:
                raise _no_instance(class_id, instance_id) from error
            raise

    def _class_command(self, command_type: CommandType, database: str, branch: str, class_id: str, origin: Origin) -> Command:
        draft = self._command(command_type, database, ONTOLOGY_AGGREGATE, origin, database, branch, class_id)
        return replace(draft, branch=branch, class_id=class_id)

    def _row_command(self, kind: BulkKind, draft: Command, row: BulkRow, instance_id: str) -> Command:
        class_id = draft.class_id or ""
        return Command(
            command_id=draft.command_id,
            command_type=INSTANCE_TYPES[kind],
            db_name=draft.db_name,
            aggregate_type="Instance",
            aggregate_id=naming.aggregate_id(draft.db_name, draft.branch, class_id, instance_id),
            created_at=draft.created_at,
            payload=row.data,
            branch=draft.branch,
            class_id=class_id,
            instance_id=instance_id,
            expected_seq=None if kind == "create" else row.expected_seq,
            created_by=draft.created_by,
            source=row.source,
            trace=draft.trace,
        )

    def _command(self, command_type: CommandType, database: str, aggregate_type: str, origin: Origin, *parts: str) -> Command:
        given = origin.get("command_id")
        return Command(
            command_id=self._ids.new_id() if given is None else _checked_command_id(given),
            command_type=command_type,
            db_name=database,
            aggregate_type=aggregate_type,
            aggregate_id=naming.aggregate_id(*parts),
            created_at=self._clock.now(),
            created_by=origin.get("actor"),
            trace=origin.get("trace") or {},
        )

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

    def _expected(self, command: Command, expected_seq: int | None) -> int:
        """Return the number to expect in the log.

        What a branch inherited has the source's number, and no commands of its own yet: its first command is checked against
        the inherited number here, and expects none in the log.
        """
        given = required_seq(expected_seq)
        aggregate = _aggregate(command)
        is_inheritable = command.branch != naming.MAIN and command.class_id is not None
        if not is_inheritable or not given or self._log.number(command.db_name, aggregate):
            return given
        key = class_key(command.class_id or "")
        if command.instance_id is not None:
            key = naming.node_key(command.class_id or "", command.instance_id)
        node = self.settled.view(command.db_name, command.branch).get([key]).get(key)
        if node is not None and node.sequence_number != given:
            raise OptimisticConcurrencyConflict(
                aggregate_id=command.aggregate_id, expected_seq=given, actual_seq=node.sequence_number
            )
        return given if node is None else 0

    def _known(self, origin: Origin, database: str) -> RecordedEvent | None:
        """Return the event of a command id that the client chose, if the log has it: this is a repetition."""
        given = origin.get("command_id")
        if given is None or not self._log.exists(database):
            return None
        return self._log.find(database, _checked_command_id(given))

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


def _accepted(command: Command, recorded: RecordedEvent, *, is_duplicate: bool) -> Accepted:
    return Accepted(
        command_id=command.command_id,
        database=command.db_name,
        branch=command.branch,
        aggregate_type=command.aggregate_type,
        aggregate_id=command.aggregate_id,
        sequence_number=recorded.event.sequence_number or 0,
        position=recorded.position,
        is_duplicate=is_duplicate,
        class_id=command.class_id,
        instance_id=command.instance_id,
    )


def _aggregate(command: Command) -> str:
    return f"{command.aggregate_type}|{command.aggregate_id}"


def _no_instance(class_id: str, instance_id: str) -> InstanceNotFound:
    return InstanceNotFound(f"there is no {class_id} {instance_id!r}", details={"class_id": class_id, "instance_id": instance_id})


def _checked_command_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidInput(f"{text[:80]!r} is not a command id; use a UUID") from None


def _refuse_system_database(name: str) -> None:
    if name in naming.RESERVED_DATABASES:
        raise Forbidden(f"{name!r} belongs to the platform", details={"database": name})


def _checked_text(text: str, field: str) -> str:
    try:
        return read_text(text)
    except ValueError as error:
        raise InvalidInput(f"{field} {error}", details={"errors": [{"field": field, "message": str(error)}]}) from error
