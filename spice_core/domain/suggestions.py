"""Names and definitions that a dataset suggests: a class, its properties, its links."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.domain.datasets import Column

_TITLE = ("name", "title", "label", "subject")
_NOT_WORD = re.compile(r"[^a-zA-Z0-9_]+")
_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", ""))
_KEY_ENDING = re.compile(r"(?:_|(?<=[a-z]))(?:id|key|code|no|num)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns that name rows of another dataset: `found` of the `given` rows do; `class_id` is what that dataset becomes."""

    columns: tuple[str, ...]
    dataset_id: str
    class_id: str
    target_columns: tuple[str, ...]
    given: int
    found: int


def class_name(dataset: str) -> str:
    """Return the class that a dataset's name suggests: one of its rows, in CamelCase (`order_lines` -> `OrderLine`)."""
    words = [word for word in re.split(r"[^a-zA-Z0-9]+", dataset) if word]
    if words:
        words[-1] = _singular(words[-1])
    name = "".join(word[:1].upper() + word[1:] for word in words)[:100]
    return name if name[:1].isalpha() else f"Class{name}"


def property_names(columns: Sequence[str]) -> dict[str, str]:
    """Return a legal property name for each column, no two alike; what has no ASCII letters becomes `field_n`."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for number, column in enumerate(columns, start=1):
        base = _NOT_WORD.sub("_", column).strip("_")[:90]
        base = base if re.search("[a-zA-Z]", base) else f"field_{number}"
        base = f"_{base}" if base[0].isdigit() else base
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        found[column] = name
    return found


def predicate_name(reference: Reference, taken: set[str]) -> str:
    """Return a name for the link: the column without `_id`, or with the target's name where that is a property already."""
    target = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", reference.class_id).lower()
    column = next(iter(property_names(reference.columns[:1]).values()))
    base = _KEY_ENDING.sub("", column) or target
    names = [base, target, f"{base}_{target}", *(f"{base}_{target}_{number}" for number in range(2, 1000))]
    if len(reference.columns) > 1:
        names = names[1:]
    return next(name for name in names if _NOT_WORD.search(name) is None and name not in taken)


def class_definition(
    class_id: str, columns: Sequence[Column], names: Mapping[str, str], key: Sequence[str], links: Mapping[str, Reference]
) -> dict[str, Any]:
    """Return a class as the ontology API takes it: `names` maps columns to properties, `links` predicates to references."""
    title = title_column(columns, key)
    properties = [_property(column, names[column.name], key=key, title=title) for column in columns]
    relationships = [
        {
            "predicate": predicate,
            "target": reference.class_id,
            "label": predicate.replace("_", " "),
            "cardinality": "n:1",
            "on_delete": "unlink",
        }
        for predicate, reference in links.items()
    ]
    return {"id": class_id, "label": class_id, "properties": properties, "relationships": relationships}


def title_column(columns: Sequence[Column], key: Sequence[str]) -> str | None:
    """Return the column that names a row for people: `name` and its like, else a text that is the key, else none."""
    texts = [column.name for column in columns if column.type == "string"]
    for word in _TITLE:
        for name in texts:
            if name.casefold() == word or name.casefold().endswith((f"_{word}", f" {word}")):
                return name
    return next((name for name in texts if list(key) == [name]), None)


def _property(column: Column, name: str, *, key: Sequence[str], title: str | None) -> dict[str, Any]:
    is_key = column.name in key
    found: dict[str, Any] = {"name": name, "type": column.type, "label": column.name, "required": is_key or not column.nullable}
    if is_key:
        found["primaryKey"] = True
    if column.name == title:
        found["titleKey"] = True
    return found


def _singular(word: str) -> str:
    for ending, instead in _ENDINGS:
        if word.lower().endswith(ending) and len(word) > len(ending) + 1 and not word.lower().endswith("ss"):
            return word[: -len(ending)] + instead
    return word
