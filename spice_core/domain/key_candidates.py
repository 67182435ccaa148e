"""Which columns may identify a row: what to try, in which order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

MOST_COLUMNS = 14
MOST_PARTS = 3
_KEY_TYPES = frozenset({"string", "integer", "date", "dateTime", "uuid", "email", "url", "ip", "time"})
_NAME = re.compile(
    r"(?:^|[_\s-])(?:id|key|code|no|num|nr|number|uuid|sku|isbn|pk)$|(?:Id|ID|Code|Key|No)$|번호|코드|아이디|番号|编号"
)
_OWN_KEY_NAME = re.compile(r"^(?:id|uuid|guid|key|pk|row_?id|record_?id)$|(?:^|[_\s-])(?:uuid|pk)$", re.IGNORECASE)
_WEAK = re.compile(
    r"(?:^|[_\s-])(?:name|title|description|note|comment|date|time|year|month|day|hour|minute)(?:$|[_\s-])", re.IGNORECASE
)


def single_keys(
    columns: Sequence[str], types: Mapping[str, str], evidence: Mapping[str, Any], nulls: Mapping[str, int]
) -> list[str]:
    """Return the columns that may be unique by their counts, the likeliest key first."""
    found = []
    for index, column in enumerate(columns):
        total, distinct = int(evidence[column]["total"]), int(evidence[column]["distinct"])
        if total and not nulls[column] and types[column] in _KEY_TYPES and distinct >= total * 0.95:
            found.append((-name_score(column, types[column]), index, column))
    return [column for *_, column in sorted(found)]


def composite_keys(
    columns: Sequence[str], types: Mapping[str, str], evidence: Mapping[str, Any], nulls: Mapping[str, int]
) -> Iterator[tuple[str, ...]]:
    """Yield pairs, then triples, of columns that have enough distinct values together, in file order within each."""
    usable = [column for column in columns if not nulls[column] and types[column] in _KEY_TYPES and _varies(evidence[column])]
    best = set(sorted(usable, key=lambda column: -int(evidence[column]["distinct"]))[:MOST_COLUMNS])
    kept = [column for column in usable if column in best]
    for size in range(2, MOST_PARTS + 1):
        for names in combinations(kept, size):
            product = 1
            for column in names:
                product *= int(evidence[column]["distinct"])
            if product >= int(evidence[names[0]]["total"]):
                yield names


def rank(names: Sequence[str], types: Mapping[str, str], columns: Sequence[str]) -> tuple[float, ...]:
    """Return the sort key of a candidate: few columns, key-like names, early in the file."""
    score = sum(name_score(column, types[column]) for column in names) / len(names)
    return (float(len(names)), -score, float(sum(columns.index(column) for column in names)))


def name_score(column: str, type_name: str) -> float:
    """Return how much a name and type look like a key's, 0 to 1."""
    score = 0.5
    if _NAME.search(column):
        score += 0.4
    if _WEAK.search(column):
        score -= 0.2
    return score + {"uuid": 0.1, "integer": 0.05, "string": 0.05}.get(type_name, 0.0)


def is_key_name(column: str) -> bool:
    """Whether a name says that its values identify rows: `id`, `user_id`, not `country_code` and the like, which repeat."""
    return bool(_OWN_KEY_NAME.search(column))


def _varies(facts: Mapping[str, Any]) -> bool:
    return int(facts["distinct"]) > 1
