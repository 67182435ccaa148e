"""Which generation, branch and class tables a call works on, as of one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.search_tables import ClassTables
from spice_core.domain.naming import MAIN
from spice_core.domain.search import IndexedClass
from spice_core.domain.search_rules import definition_from_json
from spice_core.errors import Conflict

OWN = 2147483646
"""The `at` of a branch's own layer: after every epoch."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One branch in the chain of a branch: itself, then its sources, each as it was at the epoch `at`."""

    id: int
    is_main: bool
    at: int
    epoch: int
    last_fork: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the catalogue says: `chain` is empty for an unknown branch, `generation` None for an unknown database."""

    generation: int | None
    chain: tuple[Layer, ...]
    classes: Mapping[str, ClassTables]

    @property
    def definitions(self) -> dict[str, IndexedClass]:
        """The definitions of `classes`."""
        return {class_id: tables.definition for class_id, tables in self.classes.items()}


def read_snapshot(
    connection: Connection,
    database: str,
    *,
    branch: str = MAIN,
    class_ids: Collection[str] | None = None,
    generation: int | None = None,
) -> Snapshot:
    """Return the catalogue of the live generation, or of the given one; of all classes, or of those among `class_ids`.

    Raises:
        Conflict: `generation` is neither live nor the rebuild under way.
    """
    parameters = {
        "database": database,
        "branch": branch,
        "generation": generation,
        "own": OWN,
        "class_ids": None if class_ids is None else list(class_ids),
    }
    row = connection.execute(load_queries("search")["snapshot"], parameters).fetchone()
    found, chain, classes = row or (None, None, None)
    if found is None and generation is not None:
        raise unknown_generation(database, generation)
    return Snapshot(
        generation=found,
        chain=tuple(Layer(*item) for item in chain or ()),
        classes={tables.definition.class_id: tables for tables in _tables(classes or ())},
    )


def unknown_generation(database: str, generation: int) -> Conflict:
    """Return the error for a generation that is not there."""
    return Conflict(f"Generation {generation} is not the rebuild under way in {database!r}")


def _tables(classes: Sequence[Sequence[Any]]) -> list[ClassTables]:
    return [
        ClassTables(number, version, definition_from_json(definition), frozenset(undeclared))
        for number, version, definition, undeclared in classes
    ]
