"""Which keys an object store takes."""

import re

from spice_core.errors import InvalidInput

MAX_KEY = 900
_MAX_PART = 200
_PRINTABLE = re.compile(r"[ -~]+")


def checked_key(key: str) -> str:
    """Return `key` if it is 1 to 900 characters of printable ASCII, in parts of 1 to 200 other than `.` and `..`.

    S3 takes 1,024 characters, of which a prefix needs some; SeaweedFS with versions takes hardly longer parts.

    Raises:
        InvalidInput: it is not.
    """
    parts = key.split("/")
    is_too_long = len(key) > MAX_KEY or max(map(len, parts)) > _MAX_PART
    if is_too_long or not _PRINTABLE.fullmatch(key) or not {"", ".", ".."}.isdisjoint(parts):
        raise InvalidInput(f"{key[:120]!r} is not an object key: use printable ASCII in parts joined by single slashes")
    return key


def may_begin_key(prefix: str) -> bool:
    """Whether a key can begin with `prefix`: of any other text a store holds nothing, and its server need not be asked."""
    *folders, last = prefix.split("/")
    is_too_long = len(prefix) > MAX_KEY or max(map(len, [*folders, last])) > _MAX_PART
    is_printable = not prefix or _PRINTABLE.fullmatch(prefix) is not None
    return is_printable and not is_too_long and {"", ".", ".."}.isdisjoint(folders)
