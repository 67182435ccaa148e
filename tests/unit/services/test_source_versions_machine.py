"""Versions of a source against a plain model: objects, links and their reasons are equal, whatever people and crashes do.

Rows come, change, go and change their keys; people edit, delete and link between the versions; runs die midway.
"""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from spice_core.domain.link_types import LinkType, TableSpec
from spice_core.domain.object_edits import is_of_source
from spice_core.services.edit_links import LinkEdits
from spice_core.services.explain import Explainer
from spice_core.services.keep_gates import Gates
from spice_core.services.link_instances import LinkInstances
from spice_core.services.objectify_batches import CommandBatches
from spice_core.services.save_link_types import LinkTypes
from spice_core.services.submit_commands import CommandService
from tests.data_world import DataWorld, csv_of
from tests.write_path import a_class, text

TAG = a_class("Tag", text("code", primaryKey=True, required=True))
ITEM = a_class(
    "Item",
    text("id", primaryKey=True, required=True),
    text("plain"),
    text("kept"),
    text("newest"),
    relationships=[{"predicate": "tags", "target": "Tag", "cardinality": "n:m", "on_delete": "unlink", "label": "tags"}],
)
POLICIES = {"plain": "source_wins", "kept": "edit_wins", "newest": "newest"}
DEATHS = ("never", "never", "midway", "between versions", "at the end")
IDS, WORDS, TAGS = ("i1", "i2", "i3", "i4"), ("a", "b", "c"), ("t1", "t2", "t3")
Row = tuple[str, str, str, str]
ids, words, tags = st.sampled_from(IDS), st.sampled_from(WORDS), st.sampled_from(TAGS)
tables = st.lists(st.tuples(ids, words, words, words), min_size=1, max_size=5, unique_by=lambda row: row[0])
pairs = st.lists(st.tuples(ids, tags), min_size=1, max_size=6)


class Sources(RuleBasedStateMachine):
    """The model: `objects` by id with a value per field, `edits` by (id, field) as (what the source said, when it was made)."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="versions-", ignore_cleanup_errors=True)
        self.world = DataWorld(Path(self.folder.name)).with_classes(TAG, ITEM)
        self.time = 0
        self.objects: dict[str, dict[str, str]] = {}
        self.edits: dict[tuple[str, str], tuple[str, int]] = {}
        self.links: dict[str, set[str]] = {}
        self.overlay: dict[tuple[str, str], str] = {}
        self.rows: list[Row] = []
        self.came = 0
        self.done: list[Row] | None = None
        self.must_look = False
        self.contents: dict[str, list[Row]] = {}
        self.pairs: list[tuple[str, str]] = []
        self.said_pairs: dict[str, list[tuple[str, str]]] = {}
        self.ever_added: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    @initialize(rows=tables, linked=pairs, on_removed_row=st.sampled_from(["delete", "delete", "keep"]))
    def begin(self, rows: list[Row], linked: list[tuple[str, str]], on_removed_row: str) -> None:
        self.on_removed_row = on_removed_row
        for code in TAGS:
            self.world.path.commands.create_instance("shop", "main", "Tag", {"code": code})
        self.world.work()
        self._upload(rows)
        fields = {"id": "id", "plain": "plain", "kept": "kept", "newest": "newest"}
        self.mapping = self.world.map(self.version, "Item", fields, edit_policy=POLICIES, on_removed_row=on_removed_row)
        version = self._upload_pairs(linked)
        spec = TableSpec("join_table", version.dataset_id, ("item",), ("tag",), "WARN_DROP")
        link_type = LinkType("tags", "shop", "main", "Item", "Tag", "tags", "n:m", spec)
        LinkTypes(commands=self.world.path.commands, registry=self.world.registry).save(link_type)
        self.world.work()
        self.link_type = link_type.link_type_id
        self._work_through(dies="never")

    @rule(rows=tables, linked=pairs, dies=st.sampled_from(DEATHS))
    def follow(self, rows: list[Row], linked: list[tuple[str, str]], dies: str) -> None:
        """The next versions come, and all that follows from them."""
        self._upload(rows)
        self._upload_pairs(linked)
        self._work_through(dies=dies)

    @rule(rows=tables)
    def upload(self, rows: list[Row]) -> None:
        self._upload(rows)

    @rule(linked=pairs)
    def upload_pairs(self, linked: list[tuple[str, str]]) -> None:
        self._upload_pairs(linked)

    @rule(identity=ids, field=st.sampled_from(sorted(POLICIES)), value=st.sampled_from([*WORDS, "mine"]))
    def edit(self, identity: str, field: str, value: str) -> None:
        found = self.objects.get(identity)
        if found is None:
            return
        self._patch(identity, {field: value})
        self.time += 1
        said = self.edits.get((identity, field), (found[field], 0))[0]
        if value == said:
            self.edits.pop((identity, field), None)
        elif value != found[field]:
            self.edits[identity, field] = (said, self.time)
        found[field] = value

    @rule(identity=ids)
    def delete_by_hand(self, identity: str) -> None:
        if identity in self.objects:
            number = self._nodes()[identity].sequence_number
            self.world.path.commands.delete_instance("shop", "main", "Item", identity, expected_seq=number)
            self.world.work()
            self._forget(identity)

    @rule(identity=ids, tag=tags, kind=st.sampled_from(["ADD", "REMOVE", "WITHDRAW"]))
    def edit_link(self, identity: str, tag: str, kind: str) -> None:
        if identity not in self.objects:
            return
        commands = self.world.path.commands
        edits = LinkEdits(commands=commands, registry=self.world.registry, graph=self.world.path.graph)
        if kind != "WITHDRAW":
            edits.save("shop", self.link_type, source=identity, target=tag, edit_type=kind)
            self.overlay[identity, tag] = kind
            self.ever_added |= {(identity, tag)} if kind == "ADD" else set()
        elif self.overlay.pop((identity, tag), None):
            edits.withdraw("shop", self.link_type, source=identity, target=tag)
        self.world.work()

    @rule(full=st.booleans(), dies=st.sampled_from(DEATHS))
    def objectify(self, *, full: bool, dies: str) -> None:
        self._objectify(full=full, dies=dies)

    @rule(full=st.booleans(), dies=st.booleans())
    def index(self, *, full: bool, dies: bool) -> None:
        self._index(full=full, dies=dies)

    def _work_through(self, *, dies: str) -> None:
        self._objectify(full=False, dies=dies)
        self._index(full=False, dies=dies != "never")

    def _objectify(self, *, full: bool, dies: str) -> None:
        run = lambda: self.world.objectify.run("shop", self.mapping, full=full)  # noqa: E731 - three times the same
        if dies == "midway" and self.world.dies(CommandService, "bulk", run):
            self.must_look = True
        if dies == "between versions" and self.world.dies(
            CommandBatches, "finish", run
        ):  # with rows of one that failed still there
            self.must_look = True
        if dies == "at the end" and self.world.dies(Gates, "record", run):
            self._apply(full=full)
            self.must_look = True
            return
        assert run().state == "succeeded"
        self._apply(full=full)
        self.done, self.must_look = self.rows, False

    def _index(self, *, full: bool, dies: bool) -> None:
        run = lambda: self._links().run("shop", self.link_type, full=full)  # noqa: E731 - as above
        if dies:
            self.world.dies(CommandBatches, "finish", run)
        assert run().state == "succeeded"
        for identity in self.objects:
            said = {tag for item, tag in self.pairs if item == identity}
            edits = {tag: kind for (item, tag), kind in self.overlay.items() if item == identity}
            added, removed = ({tag for tag, kind in edits.items() if kind == name} for name in ("ADD", "REMOVE"))
            self.links[identity] = (said | added) - removed
        self._look_at_reasons_of_links()

    @invariant()
    def objects_links_and_reasons_are_those_of_the_model(self) -> None:
        nodes = self._nodes()
        found = {name: {field: node.document.get(field) for field in POLICIES} for name, node in nodes.items()}
        assert found == self.objects
        links = {name: {key.partition("/")[2] for key in node.links.get("tags", ())} for name, node in nodes.items()}
        assert links == {name: self.links.get(name, set()) for name in self.objects}
        for name, node in nodes.items():
            source = node.provenance.source or {}
            if is_of_source(source) and "mapping_id" in source:
                identity, *given = self.contents[source["version_id"]][source["row"] - 1]
                said = {field: value for field, value in zip(POLICIES, given, strict=True) if (name, field) not in self.edits}
                assert (identity, said) == (name, {field: node.document[field] for field in said})

    def _look_at_reasons_of_links(self) -> None:
        """Each link names the row of the version that made it, or the person who added it."""
        world = self.world
        explainer = Explainer(world.path.graph, world.lineage, world.path.log, world.registry)
        for identity, found in self.links.items():
            for tag in found:
                source = explainer.link("shop", "main", f"Item/{identity}", "tags", f"Tag/{tag}").because.source or {}
                made_by = source["links"][f"Tag/{tag}"]
                if "row" in made_by:
                    assert self.said_pairs[source["version_id"]][made_by["row"] - 1] == (identity, tag)
                else:
                    assert (identity, tag) in self.ever_added

    def _apply(self, *, full: bool) -> None:
        """What a run makes of the newest version."""
        before = {row[0]: row for row in self.done or []}
        looks_at_all = full or self.must_look or self.done is None
        for row in self.rows:
            if looks_at_all or before.get(row[0]) != row:
                self._take(row, is_forced=full)
        named = {row[0] for row in self.rows}
        if self.on_removed_row == "delete":
            for identity in [name for name in self.objects if name not in named]:
                self._forget(identity)

    def _take(self, row: Row, *, is_forced: bool) -> None:
        identity, given = row[0], dict(zip(POLICIES, row[1:], strict=True))
        found = self.objects.get(identity)
        if found is None:
            self.objects[identity] = given
            return
        for field, value in given.items():
            said, at = self.edits.get((identity, field), (None, 0))
            if said is None:
                found[field] = value
            elif POLICIES[field] == "edit_wins" or (POLICIES[field] == "newest" and at > self.came):
                self.edits[identity, field] = (value, at)
                if value == found[field] and value == said:
                    self.edits.pop((identity, field))
            elif value != said or is_forced:
                found[field] = value
                self.edits.pop((identity, field))

    def _forget(self, identity: str) -> None:
        self.objects.pop(identity)
        self.links.pop(identity, None)
        for field in POLICIES:
            self.edits.pop((identity, field), None)

    def _upload(self, rows: list[Row]) -> None:
        self.time += 1
        table = csv_of(("id", *POLICIES), rows)
        self.version = self.world.upload("items", table, key=f"items {self.time}")
        self.rows, self.came = rows, self.time
        self.contents[self.version.version_id] = rows

    def _upload_pairs(self, linked: list[tuple[str, str]]) -> Any:
        self.time += 1
        self.pairs = linked
        version = self.world.upload("pairs", csv_of(("item", "tag"), linked), key=f"pairs {self.time}")
        self.said_pairs[version.version_id] = linked
        return version

    def _patch(self, identity: str, patch: dict[str, str]) -> None:
        number = self._nodes()[identity].sequence_number
        self.world.path.commands.update_instance("shop", "main", "Item", identity, patch, expected_seq=number)
        self.world.work()

    def _nodes(self) -> dict[str, Any]:
        page = self.world.path.graph.view("shop", "main").page(["Item"], limit=100)
        return {node.key.partition("/")[2]: node for node in page.nodes}

    def _links(self) -> LinkInstances:
        return LinkInstances(self.world.run_parts())


QUICK = settings(max_examples=3, stateful_step_count=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def test_any_versions_edits_and_deaths_give_what_a_plain_model_gives() -> None:
    """Sees must_hold 8 and 31: the graph is what rows, edits and policies say; a changed key moves the links, too."""
    run_state_machine_as_test(Sources, settings=QUICK)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_versions_edits_and_deaths_give_what_a_plain_model_gives() -> None:
    run_state_machine_as_test(Sources, settings=settings(QUICK, max_examples=40, stateful_step_count=20, derandomize=False))
