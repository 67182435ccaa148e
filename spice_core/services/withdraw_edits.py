"""Reading the edits that stand on an object, and giving a field back to its source."""

from collections.abc import Collection, Mapping
from typing import Any, Unpack

from spice_core.domain import naming
from spice_core.domain.graph import Node
from spice_core.domain.object_edits import NO_EDITS, Edits, with_edits
from spice_core.errors import InstanceNotFound, InvalidInput
from spice_core.ports.graph_store import GraphStore
from spice_core.services.read_edits import EditReader
from spice_core.services.submit_commands import Accepted, CommandService, Origin


class ObjectEdits:
    """The edits of single objects. An edit is withdrawn by a command that puts back what the source last said."""

    def __init__(self, *, commands: CommandService, graph: GraphStore, reader: EditReader) -> None:
        self._commands = commands
        self._graph = graph
        self._reader = reader

    def of(self, database: str, branch: str, class_id: str, instance_id: str) -> Edits:
        """Return the edits that stand on an object.

        Raises:
            DatabaseNotFound, BranchNotFound, InstanceNotFound: it is not there.
            LogBehind: (retryable) the lineage lags.
        """
        return self._read(database, branch, class_id, instance_id)[1]

    def withdraw(
        self,
        database: str,
        branch: str,
        class_id: str,
        instance_id: str,
        *,
        fields: Collection[str] | None = None,
        **origin: Unpack[Origin],
    ) -> Accepted:
        """Put back what the source last said of `fields` (None: all that were edited); they are the source's again.

        Raises:
            InvalidInput: a field has no edit, or no source has ever spoken of it.
            OptimisticConcurrencyConflict: the object changed meanwhile; ask again.
            InstanceNotFound, LogBehind, InvalidInstance: as of any command.
        """
        node, edits = self._read(database, branch, class_id, instance_id)
        names = sorted(fields) if fields is not None else sorted(name for name, edit in edits.fields.items() if edit.is_said)
        patch = _patch(names, edits)
        remaining = {name: edit for name, edit in edits.fields.items() if name not in patch}
        source = with_edits(edits.source or {}, remaining)
        number = node.sequence_number
        return self._commands.update_instance(
            database, branch, class_id, instance_id, patch, expected_seq=number, source=source, **origin
        )

    def _read(self, database: str, branch: str, class_id: str, instance_id: str) -> tuple[Node, Edits]:
        key = naming.node_key(class_id, instance_id)
        node = self._graph.view(database, branch).get([key]).get(key)
        if node is None:
            raise InstanceNotFound(f"there is no {key} on {branch}", details={"class_id": class_id, "instance_id": instance_id})
        node = self._commands.settled.numbers.of(database, branch, [node])[0]
        return node, self._reader.of(database, branch, [node]).get(key, NO_EDITS)


def _patch(names: Collection[str], edits: Edits) -> Mapping[str, Any]:
    unknown = [name for name in names if name not in edits.fields]
    if unknown or not names:
        raise InvalidInput(f"no edit stands on {', '.join(unknown) or 'this object'}", details=_details(unknown, "has no edit"))
    silent = [name for name in names if not edits.fields[name].is_said]
    if silent:
        message = f"no row has ever given {', '.join(silent)}: there is nothing to put back"
        raise InvalidInput(message, details=_details(silent, "was never given by a source"))
    return {name: edits.fields[name].said for name in names}


def _details(names: Collection[str], message: str) -> Mapping[str, Any]:
    return {"errors": [{"field": name, "message": message} for name in names]}
