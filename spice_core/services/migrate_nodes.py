"""What a migration of a class does to the graph: which instances get other ids, and whose links lead to them."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from spice_core.domain import naming
from spice_core.domain.class_migrations import ID_REMAP, Migration
from spice_core.domain.graph import Direction, Link, Node
from spice_core.domain.instances import key_id
from spice_core.domain.object_edits import EDITS, is_of_source
from spice_core.domain.ontology_changes import PRIMARY_KEY, Check, SharedTargets, checks_of, rekeyed_classes
from spice_core.domain.plain_values import plain_value
from spice_core.domain.resolution import Ontology
from spice_core.errors import BreaksInstances, InvalidInstance, TooLarge
from spice_core.ports.graph_store import GraphView

MAX_NODES = 50_000
"""The instances of one migration, those that link to them included: they are one commit, made in memory."""

MAX_BYTES = 32 << 20
"""Of their documents as JSON, for the same reason."""

FIRST_PEOPLE = 1_000
"""How many instances that people touched last are kept to be asked for their edits."""

MISSING, REPEATED, INVALID, REQUIRED = "key_missing", "key_repeated", "key_invalid", "link_required"
_MAX_SAMPLES = 20
_PAGE = 1000


@dataclass(slots=True)
class Problems:
    """Why instances cannot move, counted by reason, with the first ones as samples."""

    counts: Counter[str] = field(default_factory=Counter)
    samples: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, counts: Mapping[str, int], samples: Sequence[Mapping[str, Any]]) -> "Problems":
        """Return problems that were counted before."""
        return cls(Counter(counts), list(samples))

    def note(self, reason: str, **sample: Any) -> None:
        """Count one case, and keep it while there are few samples of its reason."""
        self.counts[reason] += 1
        if self.counts[reason] <= _MAX_SAMPLES:
            self.samples.append({"reason": reason, **sample})

    def as_json(self) -> dict[str, Any]:
        """Return counts and samples as a JSON object."""
        return {"problems": dict(self.counts), "samples": list(self.samples)}

    def refuse(self, class_id: str) -> None:
        """Raise `BreaksInstances` where there are any."""
        if self.counts:
            told = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.counts.items()))
            raise BreaksInstances(
                f"the migration of class {class_id!r} cannot be done: {told}",
                details={"class_id": class_id, "count": self.counts.total(), **self.as_json()},
            )


@dataclass(slots=True)
class Makers:
    """Who made instances what they are: how many edits they carry, how many carry any, and how many people touched last.

    `people` are the first of the last.
    """

    edits: int = 0
    with_edits: int = 0
    by_people: int = 0
    people: list[Node] = field(default_factory=list)

    def watch(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """Yield `nodes`, and count them."""
        for node in nodes:
            carried = len((node.provenance.source or {}).get(EDITS, ()))
            self.edits += carried
            self.with_edits += carried > 0
            if not is_of_source(node.provenance.source):
                self.by_people += 1
                if len(self.people) < FIRST_PEOPLE:
                    self.people.append(node)
            yield node


@dataclass(slots=True)
class Load:
    """What a migration has in memory so far: bytes of documents as JSON."""

    document_bytes: int = 0

    def of(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """Yield `nodes`, and count them. Raises `TooLarge` where they get too many bytes."""
        for node in nodes:
            self.document_bytes += len(orjson.dumps(node.document, default=plain_value))
            if self.document_bytes > MAX_BYTES:
                message = f"a migration takes up to {MAX_BYTES:,} bytes of documents; this one would touch more"
                raise TooLarge(message, details={"limit": MAX_BYTES})
            yield node


def check_size(view: GraphView, class_ids: Collection[str]) -> int:
    """Return how many instances `class_ids` have. Raises `TooLarge`."""
    count = view.count(class_ids) if class_ids else 0
    _check_bound(count)
    return count


def _check_bound(count: int) -> None:
    if count > MAX_NODES:
        message = f"a migration takes up to {MAX_NODES:,} instances with those that link to them; this one would touch more"
        raise TooLarge(message, details={"limit": MAX_NODES})


def nodes_of(view: GraphView, class_ids: Collection[str]) -> Iterator[Node]:
    """Yield the instances of `class_ids`, by key."""
    after: str | None = None
    while class_ids:
        page = view.page(class_ids, after=after, limit=_PAGE)
        yield from page.nodes
        after = page.next_after
        if after is None:
            return


def moves_of(nodes: Iterable[Node], ontology: Ontology, problems: Problems) -> dict[str, str]:
    """Return where each of `nodes` (all instances of their classes) moves by the keys of `ontology`, without those that stay.

    Those without value of the new key, or with another one's, are noted in `problems`.
    """
    targets: dict[str, str] = {}
    owners: dict[str, str] = {}
    for node in nodes:
        resolved = ontology.resolve(node.class_id)
        try:
            found = key_id(resolved, node.document)
        except InvalidInstance as error:
            problems.note(INVALID, instance=node.key, message=error.message)
            continue
        if found is None:
            problems.note(MISSING, instance=node.key, key=list(resolved.primary_key))
            continue
        target = naming.node_key(node.class_id, found)
        other = owners.setdefault(target, node.key)
        if other != node.key:
            problems.note(REPEATED, instance=node.key, other=other, id=found)
        elif target != node.key:
            targets[node.key] = target
    return targets


def links_into(view: GraphView, keys: Collection[str]) -> Iterator[Link]:
    """Yield the links that reach `keys`. Raises `TooLarge` where they come from too many nodes."""
    sources: set[str] = set()
    pending = iter(sorted(keys))
    while chunk := list(islice(pending, _PAGE)):
        for link in view.expand(chunk, predicate=None, direction=Direction.IN, limit=None):
            sources.add(link.source)
            yield link
        _check_bound(len(keys) + len(sources - set(keys)))


def read_nodes(view: GraphView, keys: Collection[str]) -> Iterator[Node]:
    """Yield the nodes of `keys`, in order."""
    pending = iter(sorted(keys))
    while chunk := list(islice(pending, _PAGE)):
        found = view.get(chunk)
        yield from (found[key] for key in chunk if key in found)


def required_links(nodes: Iterable[Node], ontology: Ontology, gone: Collection[str], problems: Problems) -> None:
    """Note those of `nodes`, which link to some of `gone`, that would be left without a link that they must have."""
    for node in nodes:
        resolved = ontology.resolve(node.class_id)
        for predicate, targets in node.links.items():
            relationship = resolved.relationships.get(predicate)
            if relationship is not None and relationship.is_required and all(target in gone for target in targets):
                problems.note(REQUIRED, instance=node.key, field=predicate)


def remaining_checks(old: Ontology, new: Ontology, migration: Migration) -> Iterator[Check | SharedTargets]:
    """Yield the checks of a change that a migration does not answer: by then its instances have moved, or are gone."""
    rekeyed = rekeyed_classes(old, new)
    for check in checks_of(old, new):
        if isinstance(check, Check):
            is_answered = check.class_id in rekeyed and (migration != ID_REMAP or check.field == PRIMARY_KEY)
            if not is_answered:
                yield check
        elif migration == ID_REMAP:
            yield check
        elif left := check.class_ids - rekeyed:
            yield SharedTargets(left, check.field, check.message)
