"""What identifies the rows of a dataset, as somebody stated it: a primary key, or columns that are unique together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spice_core.domain.catalogue_records import record_id_of

KeyKind = Literal["primary", "unique"]
PRIMARY, UNIQUE = "primary", "unique"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key of a dataset: one column, or several together. A dataset has one primary key and any number of unique ones.

    A primary key has a value in every row; a unique key need not, and rows without one do not count as repetitions.
    """

    dataset_id: str
    kind: KeyKind
    columns: Sequence[str]

    def record_id(self, database: str) -> str:
        """Return the id of its record: there is one primary key, and one unique key per choice of columns."""
        names = sorted(self.columns) if self.kind == UNIQUE else ()
        return record_id_of(database, self.dataset_id, self.kind, *names)


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What a dataset version says to a key: how many rows lack it, how many repeat it, and the numbers of some of them."""

    spec: KeySpec
    missing: int
    repeated: int
    rows: Sequence[int] = ()

    @property
    def holds(self) -> bool:
        """Whether the rows keep to the key."""
        return not self.repeated and (self.spec.kind == UNIQUE or not self.missing)


def key_spec_as_json(spec: KeySpec) -> dict[str, Any]:
    """Return `spec` as a JSON object."""
    return {"dataset_id": spec.dataset_id, "kind": spec.kind, "columns": list(spec.columns)}


def key_spec_of_json(record: Mapping[str, Any]) -> KeySpec:
    """Read `key_spec_as_json` back."""
    return KeySpec(record["dataset_id"], record["kind"], tuple(record["columns"]))
