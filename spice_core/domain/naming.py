"""Names of databases, branches, classes and instances, and the ids made of them."""

import re

from spice_core.errors import InvalidName

MAIN = "main"
SYSTEM_DATABASE = "_system"
RESERVED_DATABASES = frozenset({SYSTEM_DATABASE, "_meta"})
RESERVED_BRANCHES = frozenset({"HEAD", "refs", "objects", "info", "hooks"})
MAX_INSTANCE_ID = 512

_DATABASE = re.compile(r"[a-z][a-z0-9_-]{2,49}")
_CLASS = re.compile(r"[a-zA-Z][a-zA-Z0-9_:-]{0,99}")
_BRANCH = re.compile(r"[a-zA-Z0-9_/-]{1,100}")
_PROPERTY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")
_DATASET = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,99}")


def database_name(name: str) -> str:
    """Return `name` if it may name a database: 3-50 of a-z 0-9 _ -, a letter first."""
    if name in RESERVED_DATABASES or not _DATABASE.fullmatch(name):
        raise InvalidName(f"{name!r} cannot name a database: use 3 to 50 of a-z, 0-9, _ and -, starting with a letter")
    return name


def branch_name(name: str) -> str:
    """Return `name` if it may name a branch: 1-100 of a-z A-Z 0-9 _ / -, no empty path part, not reserved."""
    if not _BRANCH.fullmatch(name) or name in RESERVED_BRANCHES or not all(name.split("/")):
        raise InvalidName(f"{name!r} cannot name a branch: use 1 to 100 of letters, digits, _, - and inner /, not HEAD or refs")
    return name


def class_id(name: str) -> str:
    """Return `name` if it may name a class: 1-100 of a-z A-Z 0-9 _ : -, a letter first."""
    if not _CLASS.fullmatch(name):
        raise InvalidName(f"{name!r} cannot name a class: use up to 100 of letters, digits, _, : and -, starting with a letter")
    return name


def property_name(name: str) -> str:
    """Return `name` if it may name a property or predicate: 1-100 of a-z A-Z 0-9 _, not a digit first."""
    if not _PROPERTY.fullmatch(name):
        raise InvalidName(f"{name!r} cannot name a property: use up to 100 of letters, digits and _, not starting with a digit")
    return name


def dataset_name(name: str) -> str:
    """Return `name` if it may name a dataset: 1-100 of a-z A-Z 0-9 _ -, a letter first."""
    if not _DATASET.fullmatch(name):
        raise InvalidName(f"{name!r} cannot name a dataset: use up to 100 of a-z, A-Z, 0-9, _ and -, a letter first")
    return name


def instance_id(value: str) -> str:
    """Return `value` if it may identify an instance: 1-512 characters of any script, no control characters."""
    if not 0 < len(value) <= MAX_INSTANCE_ID or not value.isprintable():
        raise InvalidName(f"{value[:80]!r} cannot identify an instance: use 1 to {MAX_INSTANCE_ID} printable characters")
    return value


def instance_id_of_key(parts: list[str]) -> str:
    """Join the parts of a primary key into one collision-free id.

    A single part stands as it is. Several are joined by `|`; a `|` or `%` inside a part is percent-encoded, so
    distinct keys give distinct ids.
    """
    if len(parts) == 1:
        return instance_id(parts[0])
    return instance_id("|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts))


def key_parts(instance: str, count: int) -> list[str]:
    """Return the parts of a primary key of `count` parts that `instance_id_of_key` joined to an id."""
    if count == 1:
        return [instance]
    return [part.replace("%7C", "|").replace("%25", "%") for part in instance.split("|")]


def aggregate_id(*parts: str) -> str:
    """Join name parts into an aggregate id: `{db}:{branch}:{class}:{instance}`.

    A `:` or `%` inside a part is percent-encoded, so the parts can be told apart again (`split_aggregate_id`).
    """
    return ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)


def split_aggregate_id(value: str) -> list[str]:
    """Return the parts that `aggregate_id` joined."""
    return [part.replace("%3A", ":").replace("%25", "%") for part in value.split(":")]


def node_key(class_name: str, instance: str) -> str:
    """Return the graph key `Class/instance` of an instance (a class name holds no slash)."""
    return f"{class_name}/{instance}"


def split_node_key(key: str) -> tuple[str, str]:
    """Return class and instance of a graph key.

    Raises:
        InvalidName: `key` is not `Class/instance`.
    """
    class_name, slash, instance = key.partition("/")
    if not slash or not class_name or not instance:
        raise InvalidName(f"{key!r} is not a reference: write Class/id")
    return class_name, instance
