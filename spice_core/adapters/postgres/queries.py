"""Named SQL: adapters name their statements, the text lives in `sql/<area>.sql`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_HEADER = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)


@cache
def load_queries(area: str) -> Mapping[str, str]:
    """Return the statements of `sql/<area>.sql` by name.

    A statement starts behind a line `-- name: its_name` and ends before the next; text before the first is a comment.

    Raises:
        FileNotFoundError: there is no such area.
        ValueError: a name stands twice, or names nothing.
    """
    text = (files("spice_core.adapters.postgres") / "sql" / f"{area}.sql").read_text(encoding="utf-8")
    _, *parts = _HEADER.split(text)
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        statement = body.strip().rstrip(";").rstrip()
        if name in queries or not statement:
            raise ValueError(f"sql/{area}.sql: {name} is empty or stands twice")
        queries[name] = statement
    return MappingProxyType(queries)
