"""What earlier runs of a mapping may have left in the graph: the last success, and whatever was tried since."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from spice_core.domain.datasets import ClassMapping, ObjectifyRun
from spice_core.domain.resolution import Ontology
from spice_core.ports.graph_store import GraphView
from spice_core.ports.registry import Registry
from spice_core.services.settled_graph import class_key

_FIRST_LOOK = 100


@dataclass(frozen=True, slots=True)
class History:
    """The newest run that succeeded, None before the first, and the runs since then, newest first: each may have written."""

    succeeded: ObjectifyRun | None
    since: Sequence[ObjectifyRun]

    @property
    def version_ids(self) -> list[str]:
        """The versions whose rows may be in the graph, without repeats: that of the success first."""
        runs = [*([self.succeeded] if self.succeeded else []), *self.since]
        return list(dict.fromkeys(run.version_id for run in runs))

    @property
    def unfinished(self) -> list[ObjectifyRun]:
        """The runs that were started and never ended."""
        return [run for run in self.since if run.state == "running"]


def history_of(registry: Registry, mapping: ClassMapping, *, besides: str) -> History:
    """Read the history of a mapping, without the run `besides`, as far back as the newest success."""
    limit = _FIRST_LOOK
    while True:
        found = registry.runs(mapping.database, mapping_id=mapping.mapping_id, limit=limit)
        succeeded = next((run for run in found if run.state == "succeeded"), None)
        if succeeded is not None or len(found) < limit:
            since = takewhile(lambda run: run.state != "succeeded", found)
            return History(succeeded, [run for run in since if run.run_id != besides])
        limit *= 10


def class_state(view: GraphView, class_id: str, ontology: Ontology) -> str:
    """Return a text that is another one when a class changed on which the ids and links of `class_id` depend.

    A change of its key, or of a class that it links to, may have taken instances and links away without any row having changed.
    """
    names = {class_id, *(name for targets in ontology.resolve(class_id).targets.values() for name in targets)}
    above = {parent for name in names for parent in ontology.ancestors(name)}
    keys = {class_key(name): name for name in names | above}
    found = view.get(keys)
    return ",".join(f"{keys[key]}={found[key].sequence_number}" for key in sorted(found))
