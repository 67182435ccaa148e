"""Places that are watched for files, and what became of each file there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from spice_core.domain import naming
from spice_core.domain.catalogue_records import CatalogueRecord, record_id_of
from spice_core.errors import InvalidInput

ACTIVE = "ACTIVE"
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart", "~")
_LONGEST_STABLE = 86_400.0


@dataclass(frozen=True, slots=True)
class WatchedPlace:
    """A place, and what its files become.

    Attributes:
        place_id: its name within the database, as a dataset may be named.
        place: a folder, or `objects:<prefix>`.
        pattern: which files, by their path below the place: `*`, `?` and `[…]` as in a shell, `*` also over slashes.
        dataset: the dataset that every file becomes a version of; None: one dataset per file's name.
        stable_seconds: a file is taken when it has not changed for so long.
    """

    place_id: str
    database: str
    branch: str
    place: str
    pattern: str = "*"
    dataset: str | None = None
    stable_seconds: float = 10.0

    @property
    def record_id(self) -> str:
        """The id of its record."""
        return record_id_of(self.database, self.place_id)

    def file_record_id(self, path: str) -> str:
        """Return the id of the record of a file in it."""
        return record_id_of(self.database, self.place_id, path)

    def wants(self, path: str) -> bool:
        """Whether a file is asked for, and is none that somebody is still writing by the look of its name."""
        name = path.rpartition("/")[2]
        is_finished = not name.startswith((".", "~$")) and not name.lower().endswith(_UNFINISHED)
        return is_finished and fnmatchcase(path, self.pattern)

    def as_json(self) -> dict[str, Any]:
        """Return the record's document."""
        return asdict(self)


def checked_place(place: WatchedPlace) -> WatchedPlace:
    """Return `place` if it can be one; whether it may be read is not asked here. Raises `InvalidInput`, `InvalidName`."""
    naming.dataset_name(place.place_id)
    naming.branch_name(place.branch)
    if place.dataset is not None:
        naming.dataset_name(place.dataset)
    if not 0 < len(place.pattern) <= 200 or not place.pattern.isprintable():
        raise InvalidInput("a pattern has 1 to 200 printable characters: *.csv")
    if not 0 <= place.stable_seconds <= _LONGEST_STABLE:
        raise InvalidInput(f"stable_seconds is 0 to {_LONGEST_STABLE:.0f}")
    return place


def place_of(record: CatalogueRecord) -> WatchedPlace:
    """Read a place from its record."""
    known: Mapping[str, Any] = record.document
    return WatchedPlace(**{name: known[name] for name in WatchedPlace.__dataclass_fields__ if name in known})
