"""Asset keys, and the names that Dagster derives from them."""

import hashlib
import re
from collections.abc import Sequence

import dagster as dg

from spice_core.domain import naming

RAW = "raw"
DATASET = "dataset"
OBJECTS = "objects"
LINKS = "links"
SEARCH = "search"
DEAD_LETTERS = "dead_letters"
AUTOMATIC = "spice/automatic"
"""The tag of runs that nobody asked for: what a gate refuses is left out of them, where it fails a run that somebody started."""
DATABASE = "spice/database"
"""The tag by which the run queue lets one automatic run of a database work at a time."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")


def asset_key(kind: str, database: str, branch: str, name: str) -> dg.AssetKey:
    """Return `kind/database/name`, on another branch than main `kind/database.branch/name`.

    A `/` of the branch and a `:` of the class become a `.`, which none of the names may hold: distinct things have distinct keys.
    """
    place = database if branch == naming.MAIN else f"{database}.{branch.replace('/', '.')}"
    return dg.AssetKey([kind, place, name.replace(":", ".")])


def group_name(database: str, kind: str) -> str:
    """Return the group of a database's assets of one kind, with what a group cannot hold replaced.

    The asset graph shows the last part of a key only, the same for a file and its table, a class and its documents; the
    box of their group tells them apart.
    """
    return _UNSAFE.sub("_", f"{database}__{kind}")


def op_name(key: dg.AssetKey, *more: str) -> str:
    """Return a valid name that no other key has: readable, with a short hash where something had to be replaced."""
    return _unique([*key.path, *more])


def _unique(parts: Sequence[str]) -> str:
    plain = "__".join(parts)
    safe = _UNSAFE.sub("_", plain)
    return safe if safe == plain else f"{safe}_{hashlib.sha256(plain.encode()).hexdigest()[:6]}"
