"""Documents in layers: a branch is a layer over its source as it was at one epoch."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from spice_core.domain.search import IndexedClass, SearchDocument
from spice_core.domain.search_rules import encode_data, in_utc

NOW = 2**62
"""An epoch after every other: what a layer holds itself."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document whose data is kept as text, so that nothing of it is shared with a caller."""

    document: SearchDocument
    data: str

    def load(self) -> SearchDocument:
        """Return the document with data of its own."""
        return replace(self.document, data=json.loads(self.data))


def store(document: SearchDocument) -> Stored:
    """Return `document` to be kept; raises `InvalidInput` for what engines cannot store."""
    return Stored(replace(in_utc(document), data={}), encode_data(document))


@dataclass(slots=True)
class Layer:
    """One branch's own documents. The epoch grows when a branch starts here: what was written before stays readable.

    `rows` holds by key the versions that some branch may see, oldest first, each with the epoch it was written in.
    """

    parent: "tuple[Layer, int] | None" = None
    epoch: int = 0
    rows: dict[str, list[tuple[int, Stored]]] = field(default_factory=dict)

    def fork(self) -> "Layer":
        """Return a new layer over what this one holds now."""
        child = Layer(parent=(self, self.epoch))
        self.epoch += 1
        return child

    def find(self, key: str, at: int = NOW) -> Stored | None:
        """Return the document under `key` as of epoch `at`."""
        for since, stored in reversed(self.rows.get(key, ())):
            if since <= at:
                return stored
        return self.parent[0].find(key, self.parent[1]) if self.parent else None

    def put(self, stored: Stored) -> bool:
        """Keep `stored` if its version is above the one there; return whether it was."""
        key = stored.document.key
        present = self.find(key)
        if present is not None and present.document.version >= stored.document.version:
            return False
        versions = self.rows.setdefault(key, [])
        if versions and versions[-1][0] == self.epoch:
            versions.pop()
        versions.append((self.epoch, stored))
        return True

    def keys(self) -> set[str]:
        """Return every key that this layer or one under it has ever held."""
        return set(self.rows) | (self.parent[0].keys() if self.parent else set())

    def visible(self) -> Iterator[Stored]:
        """Yield what the branch holds now, tombstones included, in key order."""
        for key in sorted(self.keys()):
            found = self.find(key)
            if found is not None:
                yield found


@dataclass(slots=True)
class Generation:
    """One complete set of classes and branches of a database."""

    definitions: dict[str, IndexedClass] = field(default_factory=dict)
    branches: dict[str, Layer] = field(default_factory=dict)

    def visible(self, branch: str, class_ids: Iterable[str]) -> Iterator[Stored]:
        """Yield the live documents of some classes on a branch, in key order; an unknown branch holds none."""
        wanted = set(class_ids)
        layer = self.branches.get(branch)
        for stored in layer.visible() if layer else ():
            if stored.document.class_id in wanted and not stored.document.is_deleted:
                yield stored

    def drop_class(self, class_id: str) -> None:
        """Forget a class and its documents on every branch."""
        self.definitions.pop(class_id, None)
        for layer in self._layers():
            for key in [key for key, found in layer.rows.items() if found[-1][1].document.class_id == class_id]:
                del layer.rows[key]

    def _layers(self) -> Iterator[Layer]:
        for layer in self.branches.values():
            current: Layer | None = layer
            while current is not None:
                yield current
                current = current.parent[0] if current.parent else None
