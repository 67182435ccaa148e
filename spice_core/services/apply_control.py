"""Databases and branches: deciding their commands and bringing them about."""

from spice_core.domain import naming
from spice_core.domain.commands import CommandType
from spice_core.domain.events import Event
from spice_core.errors import Conflict, DatabaseNotFound, InvalidInput, NotFound
from spice_core.ports.graph_store import GraphStore
from spice_core.services.domain_events import control_event, failed_event
from spice_core.services.graph_commands import Placed

PLATFORM = "spice"


def author_of(actors: set[str | None]) -> str:
    """Return the author of a commit: the one actor of its commands, else the platform."""
    found = actors - {None}
    return (found.pop() or PLATFORM) if len(actors) == 1 and found else PLATFORM


def created_database_message(name: str) -> str:
    """Return the message of a database's first commit."""
    return f"create database {name}"


def apply_control(graph: GraphStore, placed: Placed) -> Event:
    """Decide one command on a database or branch, bring it about, and return its event.

    Every effect is recognised by its position, so that a repetition gives the same event. A command at the applied position is
    the one that brought the graph there: it succeeded.
    """
    is_done = graph.applied_position(placed.command.db_name) == placed.position
    try:
        match placed.command.command_type:
            case CommandType.CREATE_DATABASE:
                return _create_database(graph, placed)
            case CommandType.DELETE_DATABASE:
                return _delete_database(graph, placed, is_done=is_done)
            case CommandType.CREATE_BRANCH:
                return _create_branch(graph, placed)
            case _:
                return _delete_branch(graph, placed, is_done=is_done)
    except (InvalidInput, NotFound, Conflict) as error:
        return failed_event(placed, error)


def create_database(graph: GraphStore, placed: Placed) -> str:
    """Create the database of a command and return its first commit's id. Raises `AlreadyExists`."""
    command = placed.command
    commit = graph.create_database(
        command.db_name,
        author=author_of({command.created_by}),
        message=created_database_message(command.db_name),
        at=command.created_at,
        position=placed.position,
    )
    return commit.id


def _create_database(graph: GraphStore, placed: Placed) -> Event:
    commit = create_database(graph, placed)
    description = placed.command.payload.get("description", "")
    return control_event(placed, {"description": description}, commit=commit)


def _delete_database(graph: GraphStore, placed: Placed, *, is_done: bool) -> Event:
    name = placed.command.db_name
    if not is_done and name not in graph.databases():
        raise DatabaseNotFound(f"there is no database {name!r}", details={"database": name})
    graph.drop_database(name, position=placed.position)
    return control_event(placed, {}, commit=None)


def _create_branch(graph: GraphStore, placed: Placed) -> Event:
    command = placed.command
    source = command.payload.get("source") or naming.MAIN
    branch = graph.create_branch(command.db_name, command.branch, source=source, at=command.created_at, position=placed.position)
    data = {"branch": branch.name, "source": source, "description": command.payload.get("description", "")}
    return control_event(placed, data, commit=branch.created_from)


def _delete_branch(graph: GraphStore, placed: Placed, *, is_done: bool) -> Event:
    command = placed.command
    if command.branch == naming.MAIN:
        raise Conflict("main cannot be deleted", details={"branch": command.branch})
    if not is_done and all(branch.name != command.branch for branch in graph.branches(command.db_name)):
        raise NotFound(f"there is no branch {command.branch!r}", details={"branch": command.branch})
    graph.delete_branch(command.db_name, command.branch, position=placed.position)
    return control_event(placed, {"branch": command.branch}, commit=None)
