"""What each changed row needs: a new instance, a patch, or nothing; decided against the graph, a batch at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spice_core.domain import naming
from spice_core.domain.datasets import ClassMapping
from spice_core.domain.graph import Node
from spice_core.domain.instances import checked_patch
from spice_core.domain.object_edits import NO_EDITS, REMOVED, Assertion, Edit, Edits, Verdict, reapplied, settle, with_edits
from spice_core.domain.row_mapping import MappedRow, RowMapper
from spice_core.errors import InvalidInput
from spice_core.ports.graph_store import GraphStore
from spice_core.ports.table_engine import RowChange
from spice_core.services.objectify_batches import Tally
from spice_core.services.objectify_history import MISSING_TARGET
from spice_core.services.read_edits import EditReader
from spice_core.services.submit_rows import BulkRow

_REMEMBERED_TARGETS = 50_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of one batch of rows, and by instance what each update was made of: to plan it again."""

    creates: list[BulkRow] = field(default_factory=list)
    updates: list[BulkRow] = field(default_factory=list)
    grounds: dict[str, tuple["_Found", Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """One row with what the graph has of it."""

    change: RowChange
    row: MappedRow
    node: Node | None
    edits: Edits = NO_EDITS


class RowPlanner:
    """Plans the rows of one run. Targets that were seen once are taken to stay; the graph worker checks again."""

    def __init__(
        self,
        *,
        mapping: ClassMapping,
        version_id: str,
        mapper: RowMapper,
        graph: GraphStore,
        edits: EditReader,
        tally: Tally,
        is_full: bool,
        assertion: Assertion,
    ) -> None:
        """Count rejects, dropped links and edits into `tally`.

        All fields of a row count as changed with `is_full`, and where the row before was rejected: it does not fit the class.
        """
        self._mapping = mapping
        self._version_id = version_id
        self._mapper = mapper
        self._graph = graph
        self._tally = tally
        self._is_full = is_full
        self._edits = edits
        self._assertion = assertion
        self._known_targets: set[str] = set()

    def upserts(self, changes: Sequence[RowChange]) -> Plan:
        """Plan rows without their links to their own class; those wait until all instances are there."""
        mapped = [(change, self._mapper.read(change.after or {})) for change in changes]
        for change, row in mapped:
            if row.problems:
                name, message = row.problems[0]
                self._tally.reject(f"{name}: invalid", row=change.row, field=name, message=message)
        plan = Plan()
        links = frozenset(self._mapper.has_many) - self._mapper.own_links
        for found in self._found(mapped, links):
            resolved = self._links(found, links, self._mapping.on_missing_target)
            if resolved is not None:
                self._add(plan, found, {**found.row.values, **resolved})
        return plan

    def own_links(self, changes: Sequence[RowChange]) -> Plan:
        """Plan only the links of rows to instances of their own class; a missing target leaves the row without the link."""
        mapped = [(change, self._mapper.read(change.after or {})) for change in changes]
        plan = Plan()
        for found in self._found(mapped, self._mapper.own_links):
            if found.node is not None:
                self._add(plan, found, self._links(found, self._mapper.own_links, "drop_link") or {})
        return plan

    def again(self, plan: Plan, row: BulkRow, *, number: int) -> BulkRow | None:
        """Plan an update anew against what its instance is now; None where nothing is left to do.

        It expects `number`, the log's, that of a command that is decided: a node does not count commands that failed.
        """
        found, wanted = plan.grounds[str(row.instance_id)]
        key = naming.node_key(self._mapping.class_id, str(row.instance_id))
        node = self._nodes([key]).get(key)
        if node is None:
            return replace(row, expected_seq=number)
        edits = self._edits.of(self._mapping.database, self._mapping.branch, [node])
        counted, self._tally = self._tally, Tally()
        try:
            renewed = Plan()
            self._add(renewed, _Found(found.change, found.row, node, edits.get(key, NO_EDITS)), wanted)
        finally:
            self._tally = counted
        return replace(renewed.updates[0], expected_seq=number) if renewed.updates else None

    def removals(self, changes: Sequence[RowChange]) -> list[BulkRow]:
        """Plan the deletion of the instances of removed rows that are there."""
        gone: dict[str, int] = {}
        for change in changes:
            instance = self._mapper.instance_id(change.before or {})
            if instance is not None:
                gone[naming.node_key(self._mapping.class_id, instance)] = change.row
        nodes = self._nodes(gone)
        return [
            BulkRow({}, naming.split_node_key(key)[1], nodes[key].sequence_number, {**self._source(row), REMOVED: True})
            for key, row in gone.items()
            if key in nodes
        ]

    def _found(self, mapped: Sequence[tuple[RowChange, MappedRow]], links: Collection[str]) -> list[_Found]:
        """Read the instances of a batch, and learn which link targets exist, in one round trip."""
        fine = [
            (change, row, naming.node_key(self._mapping.class_id, row.instance_id))
            for change, row in mapped
            if row.instance_id is not None and not row.problems
        ]
        if len(self._known_targets) > _REMEMBERED_TARGETS:
            self._known_targets.clear()
        targets = {key for _, row, _ in fine for name in links for key in row.links.get(name, ())} - self._known_targets
        nodes = self._nodes({*targets, *(key for *_, key in fine)})
        self._known_targets |= targets & nodes.keys()
        present = [nodes[key] for *_, key in fine if key in nodes]
        edits = self._edits.of(self._mapping.database, self._mapping.branch, present)
        return [_Found(change, row, nodes.get(key), edits.get(key, NO_EDITS)) for change, row, key in fine]

    def _nodes(self, keys: Collection[str]) -> Mapping[str, Node]:
        return self._graph.view(self._mapping.database, self._mapping.branch).get(keys) if keys else {}

    def _links(self, found: _Found, links: Collection[str], policy: str) -> dict[str, Any] | None:
        """The links of a row as the document holds them; None where the policy rejects the row."""
        resolved: dict[str, Any] = {}
        for predicate in links:
            candidates = found.row.links.get(predicate, ())
            target = next((key for key in candidates if key in self._known_targets), None)
            if target is not None:
                resolved[predicate] = [target] if self._mapper.has_many[predicate] else target
                continue
            resolved[predicate] = None
            if not candidates:
                self._tally.reasons[f"{predicate}.empty"] += 1
                continue
            reason, where = f"{predicate}{MISSING_TARGET}", {"row": found.change.row, "field": predicate, "target": candidates[0]}
            if policy != "drop_link":
                self._tally.reject(reason, **where)
                return None
            self._tally.counts["links_dropped"] += 1
            self._tally.note(reason, **where)
        return resolved

    def _add(self, plan: Plan, found: _Found, wanted: Mapping[str, Any]) -> None:
        change, node, source = found.change, found.node, self._source(found.change.row)
        if node is None:
            given = {name: value for name, value in wanted.items() if value is not None}
            plan.creates.append(BulkRow(given, found.row.instance_id, None, source))
            return
        before = None if self._is_full or self._was_rejected(change.before) else change.before
        fields = self._mapper.changed_fields(before, change.after or {})
        if not found.edits.fields:
            patch = {name: wanted[name] for name in wanted if name in fields and node.document.get(name) != wanted[name]}
            remaining: Mapping[str, Edit] = {}
        else:
            patch, remaining = self._settled(found, node, wanted, fields)
        if patch:
            source = with_edits(source, remaining)
            plan.updates.append(BulkRow(patch, found.row.instance_id, node.sequence_number, source))
            plan.grounds[str(found.row.instance_id)] = (found, wanted)

    def _was_rejected(self, before: Mapping[str, Any] | None) -> bool:
        """Whether the row before never became the instance's state: the graph has that of an earlier one."""
        if before is None:
            return False
        row = self._mapper.read(before)
        links = {name: next(iter(keys), None) for name, keys in row.links.items()}
        many = {name: [key] if key is not None and self._mapper.has_many[name] else key for name, key in links.items()}
        try:
            checked_patch(self._mapper.resolved, {**row.values, **many})
        except InvalidInput:
            return True
        return bool(row.problems)

    def _settled(
        self, found: _Found, node: Node, wanted: Mapping[str, Any], changed: Collection[str]
    ) -> tuple[dict[str, Any], dict[str, Edit]]:
        """Return the patch of an edited object, and the edits that stand after it."""
        patch: dict[str, Any] = {}
        standing = dict(found.edits.fields)
        for name, value in wanted.items():
            edit, present = standing.get(name), node.document.get(name)
            verdict = settle(
                value,
                present,
                edit,
                policy=self._mapping.edit_policy_of(name),
                assertion=self._assertion,
                has_changed=name in changed,
            )
            if verdict in (Verdict.WRITE, Verdict.OVERWRITE, Verdict.CATCH_UP):
                patch[name] = value
                standing.pop(name, None)
            elif verdict is Verdict.REAPPLY and edit is not None:
                patch[name] = present
                standing[name] = reapplied(edit, value)
            self._note_edit(verdict, found, name)
        return patch, standing

    def _note_edit(self, verdict: Verdict, found: _Found, name: str) -> None:
        if verdict in (Verdict.OVERWRITE, Verdict.KEEP, Verdict.REAPPLY):
            reason = "edit_overwritten" if verdict is Verdict.OVERWRITE else "edit_kept"
            self._tally.counts[reason] += 1
            edit = found.edits.fields[name]
            self._tally.sample(reason, row=found.change.row, field=name, instance_id=found.row.instance_id, by=edit.by)

    def _source(self, row: int) -> dict[str, Any]:
        return {
            "dataset_id": self._mapping.dataset_id,
            "version_id": self._version_id,
            "row": row,
            "mapping_id": self._mapping.mapping_id,
        }
