"""What a database consists of: generations, classes, branches as layers. One document each in the catalogue index.

A document of the catalogue is read in real time and written only over what was read, so that of two changes one wins.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import quote

from spice_core.adapters.elasticsearch.connection import Answer, Elasticsearch
from spice_core.adapters.elasticsearch.search_mapping import CATALOGUE, MAPPING, catalogue_body
from spice_core.domain.naming import MAIN
from spice_core.domain.search import IndexedClass
from spice_core.domain.search_rules import definition_from_json, definition_json
from spice_core.errors import ConfigurationError, Conflict, SearchUnavailable
from spice_core.ports.id_source import IdSource

PREFIX_SETTING = "SPICE_ELASTICSEARCH_INDEX_PREFIX"
_LONGEST_NAME = 200
_IDENTITY = "identity"
_MAKER = "spice-harvester"
_LOST = "the index {!r} is gone, with what it knew: start again, then `spice rebuild search DATABASE`"


@dataclass(frozen=True, slots=True)
class Layer:
    """One branch's own documents, over those of `parent` as of its epoch `at`. `epoch` grows when a branch starts here."""

    id: int
    parent: int | None = None
    at: int = -1
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class IndexedClassEntry:
    """A class; `number` is another one after it was dropped and defined again."""

    number: int
    definition: IndexedClass


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete set of classes and branches, in an index of its own; `form` is the `MAPPING` that it was made with."""

    number: int
    form: int = MAPPING
    classes: Mapping[str, IndexedClassEntry] = field(default_factory=dict)
    branches: Mapping[str, int] = field(default_factory=lambda: {MAIN: 1})
    layers: Mapping[int, Layer] = field(default_factory=lambda: {1: Layer(1)})
    next: int = 2

    @property
    def definitions(self) -> dict[str, IndexedClass]:
        """The definitions by class."""
        return {class_id: entry.definition for class_id, entry in self.classes.items()}

    def chain(self, branch: str) -> list[Layer]:
        """Return the layers that a branch is made of, its own first; `at` is the epoch up to which each is seen."""
        found: list[Layer] = []
        number, at = self.branches.get(branch), None
        while number is not None:
            layer = self.layers[number]
            found.append(replace(layer, at=OWN if at is None else at))
            number, at = layer.parent, layer.at
        return found

    def last_fork(self, layer: int) -> int:
        """Return the newest epoch of `layer` that a branch still sees, -1 for none."""
        return max((item.at for item in self.layers.values() if item.parent == layer), default=-1)

    def forks(self, layer: int) -> list[int]:
        """Return the epochs of `layer` that branches see."""
        return sorted({item.at for item in self.layers.values() if item.parent == layer})


OWN = 2**31 - 1
"""The `at` of a branch's own layer: after every epoch."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The generations of a database; no live one if nothing was ever defined, or it was dropped."""

    live: int | None = None
    building: int | None = None
    next: int = 1
    generations: Mapping[int, Generation] = field(default_factory=dict)

    def generation(self, database: str, number: int | None) -> Generation | None:
        """Return the live generation, or the given one if it is live or the rebuild under way.

        Raises:
            Conflict: it is neither, or a rebuild that a program of another form began.
            SearchUnavailable: the live one has another form than this program writes.
        """
        is_open = number is not None and number in {self.live, self.building} and self.generations[number].form == MAPPING
        if number is not None and not is_open:
            raise Conflict(f"Generation {number} is not the rebuild under way in {database!r}")
        wanted = self.live if number is None else number
        if wanted is None:
            return None
        found = self.generations[wanted]
        if found.form != MAPPING:
            raise SearchUnavailable(
                f"the search index of {database!r} has form {found.form}, this program reads form {MAPPING}: "
                f"`spice rebuild search {database}` makes it anew from the log"
            )
        return found

    def with_generation(self, changed: Generation) -> "DatabaseState":
        """Return the state with one generation as given."""
        return replace(self, generations={**self.generations, changed.number: changed})

    def without(self, number: int | None) -> "DatabaseState":
        """Return the state without a generation."""
        return replace(self, generations={key: value for key, value in self.generations.items() if key != number})


@dataclass(frozen=True, slots=True)
class Known:
    """A state as it was read: `seq_no` and `primary_term` name that very version, None for a document that is not there."""

    state: DatabaseState
    seq_no: int | None = None
    primary_term: int | None = None


class Catalogue:
    """The catalogue index `{prefix}-catalogue`, and the names of everything else."""

    def __init__(self, server: Elasticsearch, *, prefix: str, replicas: int) -> None:
        self._server = server
        self._prefix = prefix
        self._replicas = replicas
        self._index = f"{prefix}-catalogue"
        self.identity = 0

    @property
    def owner(self) -> dict[str, Any]:
        """What the indexes of generations carry as `_meta`, so that they are known as ours."""
        return {"made_by": _MAKER, "mapping": MAPPING}

    def index_name(self, database: str, generation: int) -> str:
        """Return the index of a generation."""
        return f"{self._prefix}-{_plain(database)}-v{generation}"

    def alias(self, database: str, generation: int) -> str:
        """Return the only name we read and write a generation by: an index put in its place does not have it."""
        return f"{self.index_name(database, generation)}-rw"

    def public_alias(self, database: str, branch: str) -> str:
        """Return the name by which others may read what a branch shows now."""
        name = f"{self._prefix}-{_plain(database)}"
        if branch == MAIN:
            return f"{name}_instances"
        slug = "".join(char if char.isascii() and char.isalnum() else "-" for char in branch.lower())[:40]
        return f"{name}_instances__br_{slug}_{hashlib.sha256(branch.encode()).hexdigest()[:10]}"

    def prepare(self, ids: IdSource) -> None:
        """Make the catalogue if it is not there.

        Raises:
            ConfigurationError: an index of that name is not ours, or of another form.
        """
        body = catalogue_body(replicas=self._replicas, owner={"made_by": _MAKER, "mapping": CATALOGUE})
        answer = self._server.call("GET", f"/{self._index}/_mapping?filter_path=*.mappings._meta")
        if answer.status == 404:
            answer = self._server.call("PUT", f"/{self._index}?wait_for_active_shards=1", body)
            if answer.error_type != "resource_already_exists_exception":
                answer.require()
            answer = self._server.call("GET", f"/{self._index}/_mapping?filter_path=*.mappings._meta")
        form = self.check_owner(self._index, answer.require())
        if form != CATALOGUE:
            message = f"the index {self._index!r} is of form {form}, not {CATALOGUE}: choose another {PREFIX_SETTING}"
            raise ConfigurationError(f"{message}, or delete every index under {self._prefix}-")
        number = int(ids.new_id().replace("-", "")[-15:], 16) + 2
        made = self._server.call("PUT", f"/{self._index}/_create/{_IDENTITY}", {"state": {"identity": number}})
        if made.status != 409:
            made.require()
        self.identity = self._read_identity()

    def check_owner(self, index: str, mappings: Mapping[str, Any]) -> int:
        """Return the form of an index of ours.

        Raises:
            ConfigurationError: it was not made by us.
        """
        found = mappings.get(index, {}).get("mappings", {}).get("_meta", {})
        if found.get("made_by") != _MAKER:
            raise ConfigurationError(f"the index {index!r} is not ours: choose another {PREFIX_SETTING}, or delete the index")
        return int(found.get("mapping", 0))

    def load(self, database: str) -> Known:
        """Return what is known of a database.

        Raises:
            SearchUnavailable: the catalogue is gone, or does not answer.
        """
        answer = self._get(_state_id(database))
        if answer.status == 404:
            self._check_identity()
            return Known(DatabaseState())
        found = answer.require()
        return Known(_state(found["_source"]["state"]), found["_seq_no"], found["_primary_term"])

    def save(self, database: str, known: Known, state: DatabaseState) -> Known:
        """Store `state` over what was `known`.

        Raises:
            SearchUnavailable: another change came first; do it again.
        """
        path = f"/{self._index}/_doc/{_state_id(database)}"
        condition = "op_type=create"
        if known.seq_no is not None:
            condition = f"if_seq_no={known.seq_no}&if_primary_term={known.primary_term}"
        answer = self._server.call("PUT", f"{path}?{condition}", {"state": _state_json(state)})
        if answer.status == 409:
            present = self.load(database)
            if present.state == state:
                return present  # our own write, whose answer was lost
            raise SearchUnavailable(f"the search catalogue of {database!r} was changed at the same time; do it again")
        written = answer.require()
        return Known(state, written["_seq_no"], written["_primary_term"])

    def lock_path(self, database: str, action: str = "_doc") -> str:
        """Return the path of the document that stands for the right to change a database."""
        return f"/{self._index}/{action}/lock:{_document_name(database)}"

    def _read_identity(self) -> int:
        return int(self._get(_IDENTITY).require()["_source"]["state"]["identity"])

    def _check_identity(self) -> None:
        """Raise `SearchUnavailable` if the catalogue was deleted and made again since: it knows nothing of what was there."""
        if self._read_identity() != self.identity:
            raise SearchUnavailable(_LOST.format(self._index))

    def _get(self, name: str) -> Answer:
        answer = self._server.call("GET", f"/{self._index}/_doc/{name}")
        if answer.status == 404 and answer.error_type:
            raise SearchUnavailable(_LOST.format(self._index))
        return answer


def _document_name(database: str) -> str:
    name = quote(database, safe="")
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(database.encode()).hexdigest()


def _state_id(database: str) -> str:
    return f"database:{_document_name(database)}"


def _plain(database: str) -> str:
    """Return a database's name as part of the name of an index."""
    is_plain = database.isascii() and database.replace("_", "a").replace("-", "a").isalnum() and database == database.lower()
    return database if is_plain and len(database) <= _LONGEST_NAME else "x-" + hashlib.sha256(database.encode()).hexdigest()[:32]


def _state_json(state: DatabaseState) -> dict[str, Any]:
    generations = [
        {
            "number": item.number,
            "form": item.form,
            "classes": [[entry.number, definition_json(entry.definition)] for entry in item.classes.values()],
            "branches": dict(item.branches),
            "layers": [asdict(layer) for layer in item.layers.values()],
            "next": item.next,
        }
        for item in state.generations.values()
    ]
    return {"live": state.live, "building": state.building, "next": state.next, "generations": generations}


def _state(found: Mapping[str, Any]) -> DatabaseState:
    generations = {item["number"]: _generation(item) for item in found["generations"]}
    return DatabaseState(found["live"], found["building"], found["next"], generations)


def _generation(found: Mapping[str, Any]) -> Generation:
    entries = [IndexedClassEntry(number, definition_from_json(value)) for number, value in found["classes"]]
    return Generation(
        number=found["number"],
        form=found.get("form", 1),
        classes={entry.definition.class_id: entry for entry in entries},
        branches=found["branches"],
        layers={item["id"]: Layer(**item) for item in found["layers"]},
        next=found["next"],
    )
