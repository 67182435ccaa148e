"""What the links of each source should be, against what they are: a batch of sources at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spice_core.domain import naming
from spice_core.domain.graph import Node
from spice_core.domain.link_types import LinkEdit, LinkType, with_edits_of
from spice_core.domain.object_edits import NO_EDITS, with_edits
from spice_core.ports.graph_store import GraphStore
from spice_core.services.link_sources import Said
from spice_core.services.objectify_batches import Tally
from spice_core.services.read_edits import EditReader
from spice_core.services.submit_rows import BulkRow


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What the links of one source should be, with where each that data name was said."""

    key: str
    targets: Sequence[str]
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class LinkPlanner:
    """Plans the links of one run. Counts what it meets into the tally it is given: `links`, `dangling`, …"""

    def __init__(
        self,
        link_type: LinkType,
        *,
        basis: Mapping[str, Any],
        edits: Mapping[str, Sequence[LinkEdit]],
        graph: GraphStore,
        object_edits: EditReader,
    ) -> None:
        """`basis` says in each command's source what the links are made from; `edits` are those that stand, by source."""
        self._link_type = link_type
        self._basis = basis
        self._edits = edits
        self._graph = graph
        self._object_edits = object_edits

    def of_data(self, said: Sequence[Said], tally: Tally) -> list[SourcePlan]:
        """Return what the data and the link edits make of sources; what leads nowhere is counted and left out."""
        keys = {key for item in said for key in item.source}
        keys |= {key for item in said for candidates in item.targets for key in candidates}
        keys |= {edit.target for key in keys for edit in self._edits.get(key, ())}
        there = self._nodes(keys)
        found: list[SourcePlan] = []
        for item in said:
            source = next((key for key in item.source if key in there), None)
            tally.counts["duplicates"] += item.repeats
            if source is None:
                if item.targets:
                    tally.counts["source_missing"] += 1
                    tally.sample("source_missing", source=item.source[0], **_first(item.targets))
                continue
            found.append(self._planned(source, item, there, tally))
        return found

    def of_edits(self, keys: Collection[str], tally: Tally, *, keep: bool) -> list[SourcePlan]:
        """Return what link edits make of sources that data do not speak of now: on top of the links that are there, if `keep`."""
        targets = {edit.target for key in keys for edit in self._edits.get(key, ())}
        there = self._nodes({*keys, *targets})
        found: list[SourcePlan] = []
        for key in sorted(set(keys) & there.keys()):
            base = there[key].links.get(self._link_type.predicate, ()) if keep else ()
            found.append(SourcePlan(key, self._counted(key, base, there, tally)))
        return found

    def patches(self, plans: Sequence[SourcePlan], tally: Tally, *, may_add: bool = True) -> list[BulkRow]:
        """Return the commands that make the links so; without `may_add` only what takes links away."""
        nodes = self._nodes({plan.key for plan in plans})
        edited = self._object_edits.of(self._link_type.database, self._link_type.branch, nodes.values())
        rows: list[BulkRow] = []
        for plan in plans:
            node = nodes.get(plan.key)
            row = self._patch(plan, node, edited.get(plan.key, NO_EDITS).fields, tally, may_add=may_add) if node else None
            if row is not None:
                rows.append(row)
        return rows

    def again(self, plans: Sequence[SourcePlan], row: BulkRow, *, number: int, may_add: bool) -> BulkRow | None:
        """Plan a command anew against what its source is now; None where nothing is left to do.

        It expects `number`, the log's, that of a command that is decided: a node does not count commands that failed.
        """
        mine = [plan for plan in plans if naming.split_node_key(plan.key)[1] == row.instance_id]
        renewed = self.patches(mine, Tally(), may_add=may_add)
        return replace(renewed[0], expected_seq=number) if renewed else None

    def _planned(self, source: str, item: Said, there: Collection[str], tally: Tally) -> SourcePlan:
        origins: dict[str, Mapping[str, Any]] = {}
        for candidates, origin in item.targets.items():
            target = next((key for key in candidates if key in there), None)
            if target is None:
                tally.counts["dangling"] += 1
                tally.sample("dangling", source=source, target=candidates[0], **origin)
            else:
                origins[target] = origin
        return SourcePlan(source, self._counted(source, list(origins), there, tally), origins)

    def _counted(self, source: str, targets: Sequence[str], there: Collection[str], tally: Tally) -> list[str]:
        """The targets with the edits of their source; more than the cardinality allows is counted and stops the run."""
        edits = [edit for edit in self._edits.get(source, ()) if edit.target in there]
        found = with_edits_of(targets, edits)
        tally.counts["links"] += len(found)
        tally.counts["sources"] += 1
        if len(found) > 1 and not self._link_type.is_many:
            tally.counts["cardinality"] += 1
            tally.sample("cardinality", source=source, targets=found[:10], allowed=self._link_type.cardinality)
        return found

    def _patch(self, plan: SourcePlan, node: Node, edited: Mapping[str, Any], tally: Tally, *, may_add: bool) -> BulkRow | None:
        predicate = self._link_type.predicate
        present = node.links.get(predicate, ())
        wanted = [target for target in present if target in set(plan.targets)]
        added = [target for target in plan.targets if target not in present]
        removed = len(present) - len(wanted)
        if may_add:
            wanted += added
            tally.counts["unchanged"] += not added and not removed
            tally.counts["added"] += len(added)
        tally.counts["removed"] += removed
        if not removed and not (may_add and added):
            return None
        value = wanted if self._link_type.is_many else (wanted[0] if wanted else None)
        standing = {name: edit for name, edit in edited.items() if name != predicate}
        source = with_edits(self._source(plan, added if may_add else []), standing)
        return BulkRow({predicate: value or None}, naming.split_node_key(node.key)[1], node.sequence_number, source)

    def _source(self, plan: SourcePlan, added: Sequence[str]) -> dict[str, Any]:
        """Why: the link type, and for each new link the row, the object or the person that named it."""
        links: dict[str, Any] = {}
        for target in added:
            by = next((edit.by for edit in self._edits.get(plan.key, ()) if edit.target == target), None)
            links[target] = dict(plan.origins[target]) if target in plan.origins else {"edited_by": by}
        rows = [origin["row"] for origin in links.values() if "row" in origin]
        found: dict[str, Any] = {**self._basis, "predicate": self._link_type.predicate}
        if links:
            found["links"] = links
        return {**found, "row": rows[0]} if len(rows) == 1 else found

    def _nodes(self, keys: Collection[str]) -> Mapping[str, Node]:
        return self._graph.view(self._link_type.database, self._link_type.branch).get(keys) if keys else {}


def note_shared(plans: Sequence[SourcePlan], owners: dict[str, str], tally: Tally) -> None:
    """Count the targets that several sources claim where each may have one only."""
    for plan in plans:
        for target in plan.targets:
            other = owners.setdefault(target, plan.key)
            if other != plan.key:
                tally.counts["shared_target"] += 1
                tally.sample("shared_target", target=target, sources=[other, plan.key], **plan.origins.get(target, {}))


def _first(targets: Mapping[tuple[str, ...], Mapping[str, Any]]) -> Mapping[str, Any]:
    candidates, origin = next(iter(targets.items()))
    return {"target": candidates[0], **origin}
