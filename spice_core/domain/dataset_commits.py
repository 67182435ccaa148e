"""Identity of commits of the dataset store: the same on every adapter."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from spice_core.errors import InvalidInput

ADDRESS_PREFIX = "sha256:"


def commit_id(parents: Sequence[str], addresses: Mapping[str, str | None], *, message: str, author: str, at: datetime) -> str:
    """Return the id of a commit (sha256, 40 hex) of `addresses` by path (None: removed) on top of `parents`."""
    content = {
        "parents": list(parents),
        "files": dict(sorted(addresses.items())),
        "message": message,
        "author": author,
        "at": at.astimezone(UTC).isoformat(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:40]


def address_of(digest: str) -> str:
    """Return the content address of a sha256 digest in hex."""
    return ADDRESS_PREFIX + digest


def digest_of(address: str) -> str:
    """Return the sha256 digest in hex of a content address.

    Raises:
        InvalidInput: it is none.
    """
    digest = address.removeprefix(ADDRESS_PREFIX)
    if digest == address or len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise InvalidInput(f"{address[:80]!r} is not a content address: sha256:<64 hex digits>")
    return digest


def checked_path(path: str) -> str:
    """Return `path` if it is 1 to 512 characters in non-empty parts without `.` and `..`, no control characters.

    Raises:
        InvalidInput: it is not.
    """
    if not 0 < len(path) <= 512 or not path.isprintable() or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise InvalidInput(f"{path[:120]!r} is not a file path of a dataset")
    return path
