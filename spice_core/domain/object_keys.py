"""Which keys an object store takes."""

import re

from spice_core.errors import InvalidInput

MAX_KEY = 1024
_PRINTABLE = re.compile(r"[ -~]+")


def checked_key(key: str) -> str:
    """Return `key` if it is 1 to 1,024 characters of printable ASCII without empty, `.` or `..` path parts.

    Raises:
        InvalidInput: it is not.
    """
    if len(key) > MAX_KEY or not _PRINTABLE.fullmatch(key) or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise InvalidInput(f"{key[:120]!r} is not an object key: use printable ASCII in parts joined by single slashes")
    return key
