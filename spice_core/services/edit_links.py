"""Link edits: a person adds or removes one link of a type, beside or against its data, until that is withdrawn."""

from typing import Unpack

from spice_core.domain import naming
from spice_core.domain.catalogue_records import RecordKind, record_id_of
from spice_core.domain.link_types import ADD, REMOVE, WITHDRAWN, LinkEdit, LinkType
from spice_core.errors import InstanceNotFound, InvalidInput, RecordNotFound
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.registry import Registry
from spice_core.services.link_history import link_edits
from spice_core.services.save_link_types import LinkTypes
from spice_core.services.submit_commands import Accepted, CommandService, Origin
from spice_core.services.submit_records import RecordCommands


class LinkEdits:
    """The overlay of people on a link type. An edit is a record; the next run of the type puts it into the graph."""

    def __init__(self, *, commands: CommandService, registry: Registry, graph: GraphStore) -> None:
        self._commands = commands
        self._records = RecordCommands(commands=commands, registry=registry)
        self._types = LinkTypes(commands=commands, registry=registry)
        self._registry = registry
        self._graph = graph

    def save(
        self, database: str, link_type_id: str, *, source: str, target: str, edit_type: str, **origin: Unpack[Origin]
    ) -> Accepted:
        """Add or remove the link from `source` to `target` (instance ids, or node keys of subclasses).

        Raises:
            RecordNotFound: there is no such link type.
            InstanceNotFound: the source, or the target of a link to add, is not there.
            InvalidInput: the edit is neither ADD nor REMOVE.
        """
        link_type = self._types.require(database, link_type_id)
        if edit_type not in (ADD, REMOVE):
            raise InvalidInput(f"an edit is {ADD} or {REMOVE}, not {edit_type[:50]!r}")
        ends = _keys(link_type, source, target)
        there = self._graph.view(database, link_type.branch).get(ends)
        missing = [key for key in (ends if edit_type == ADD else ends[:1]) if key not in there]
        if missing:
            raise InstanceNotFound(f"there is no {missing[0]} on {link_type.branch}", details={"id": missing[0]})
        return self._put(link_type, ends, edit_type, **origin)

    def withdraw(self, database: str, link_type_id: str, *, source: str, target: str, **origin: Unpack[Origin]) -> Accepted:
        """Leave a link to the data again. Raises `RecordNotFound` where no edit of it stands."""
        link_type = self._types.require(database, link_type_id)
        ends = _keys(link_type, source, target)
        record = self._registry.record(database, RecordKind.LINK_EDIT, _record_id(link_type, ends))
        if record is None or record.status == WITHDRAWN:
            raise RecordNotFound(f"no edit stands on the link from {ends[0]} to {ends[1]}")
        return self._put(link_type, ends, WITHDRAWN, **origin)

    def all(self, database: str, link_type_id: str, *, limit: int = 1000) -> list[LinkEdit]:
        """Return the edits that stand, newest first. Raises `RecordNotFound`."""
        self._types.require(database, link_type_id)
        found = link_edits(self._registry, database, link_type_id)
        return [edit for edit in found if edit.edit_type != WITHDRAWN][:limit]

    def _put(self, link_type: LinkType, ends: tuple[str, str], edit_type: str, **origin: Unpack[Origin]) -> Accepted:
        """A withdrawn edit stays on record: the next run has to know that there was one."""
        return self._records.save(
            link_type.database,
            RecordKind.LINK_EDIT,
            _record_id(link_type, ends),
            {"link_type_id": link_type.link_type_id, "source": ends[0], "target": ends[1], "edit_type": edit_type},
            branch=link_type.branch,
            parent=link_type.link_type_id,
            status=edit_type,
            **origin,
        )


def _record_id(link_type: LinkType, ends: tuple[str, str]) -> str:
    return record_id_of(link_type.database, link_type.branch, link_type.name, *ends)


def _keys(link_type: LinkType, source: str, target: str) -> tuple[str, str]:
    return _key(link_type.class_id, source), _key(link_type.target, target)


def _key(class_id: str, given: str) -> str:
    """The node key: as given where it begins with the class's name, else that of an instance of the class."""
    key = given if given.startswith(f"{class_id}/") else naming.node_key(class_id, given)
    naming.instance_id(naming.split_node_key(key)[1])
    return key
