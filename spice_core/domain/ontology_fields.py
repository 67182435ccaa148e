"""Reading the parts of a class definition, each error named by its field."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from spice_core.domain import naming
from spice_core.domain.ontology import REFUSE, UNLINK, Cardinality, Label, OnDelete
from spice_core.domain.value_structures import read_json
from spice_core.domain.value_texts import read_text
from spice_core.errors import InvalidInput, InvalidOntology

MAX_LABEL = 1_000
MAX_DESCRIPTION = 10_000

_CARDINALITIES: Mapping[str, Cardinality] = {
    "1:1": "1:1",
    "1:n": "1:n",
    "1:m": "1:n",
    "n:1": "n:1",
    "m:1": "n:1",
    "n:m": "n:m",
    "n:n": "n:m",
    "m:n": "n:m",
    "m:m": "n:m",
}
_ON_DELETE: Mapping[str, OnDelete] = {"refuse": REFUSE, "unlink": UNLINK}

T = TypeVar("T")


class Problems:
    """Collects what is wrong, so that a client sees all of it at once."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []

    def add(self, field: str, message: str) -> None:
        """Note a problem of `field`."""
        self.found.append({"field": field, "message": message})

    def take(self, field: str, read: Callable[[], T], otherwise: T) -> T:
        """Return what `read` gives; if it refuses, note why and return `otherwise`."""
        try:
            return read()
        except InvalidInput as error:
            self.add(field, error.message)
        except ValueError as error:
            self.add(field, str(error))
        return otherwise

    def raise_any(self, class_name: str) -> None:
        """Raise `InvalidOntology` with all that was noted, if anything was."""
        if self.found:
            first = self.found[0]
            more = f" (and {len(self.found) - 1} more)" if len(self.found) > 1 else ""
            raise InvalidOntology(
                f"class {class_name!r}: {first['field']}: {first['message']}{more}", details={"errors": self.found}
            )


def known_fields(data: Mapping[str, Any], known: Mapping[str, str], prefix: str, problems: Problems) -> dict[str, Any]:
    """Return `data` under its one spelling of names; unknown and repeated names become problems."""
    given: dict[str, Any] = {}
    for name, value in data.items():
        field = known.get(name)
        if field is None:
            problems.add(f"{prefix}{name}"[:200], f"is not known here; use {', '.join(sorted(set(known.values())))}")
        elif field in given:
            problems.add(f"{prefix}{name}", "is given twice")
        else:
            given[field] = value
    return given


def read_list(value: Any, field: str, problems: Problems) -> list[Any]:
    """Return a list, empty for an absent one."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(value)
    problems.add(field, "must be a list")
    return []


def read_parent(value: Any, name: str) -> str | None:
    """Return the name of the parent class, None for none."""
    if value is None:
        return None
    if value == name:
        raise ValueError("a class cannot be its own parent")
    return naming.class_id(required_text(value))


def required_text(value: Any) -> str:
    """Return text that has to be there."""
    if not isinstance(value, str):
        raise ValueError("is required and must be text")  # noqa: TRY004 - collected with the other problems
    return value


def read_optional_text(value: Any) -> str | None:
    """Return text, None where it is absent."""
    return None if value is None else read_text(value)


def read_flag(value: Any) -> bool:
    """Return a boolean, false where it is absent."""
    if value is not None and not isinstance(value, bool):
        raise ValueError("must be true or false")
    return bool(value)


def read_cardinality(value: Any, usual: Cardinality) -> Cardinality:
    """Return a cardinality in its one spelling, `usual` where it is absent."""
    if value is None:
        return usual
    found = _CARDINALITIES.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be 1:1, 1:n, n:1 or n:m")
    return found


def read_on_delete(value: Any) -> OnDelete:
    """Return what happens to a link when its target is deleted."""
    if value is None:
        return REFUSE
    found = _ON_DELETE.get(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be refuse or unlink")
    return found


def read_label(value: Any, name: str, field: str, problems: Problems) -> Label:
    """Return a label, `name` where it is absent."""
    if value is None or value == "":
        return name
    texts = list(value.values()) if isinstance(value, Mapping) else [value]
    is_valid = bool(texts) and all(isinstance(text, str) and 0 < len(text) <= MAX_LABEL for text in texts)
    if not is_valid:
        problems.add(field, f'must be text of at most {MAX_LABEL} characters, or such texts by language: {{"en": "…"}}')
        return name
    found: Label = problems.take(field, lambda: read_json(value), name)
    return found


def read_description(value: Any, field: str, problems: Problems) -> str | None:
    """Return a description of bounded length, None where it is absent."""
    found = problems.take(field, lambda: read_optional_text(value), None)
    if found is not None and len(found) > MAX_DESCRIPTION:
        problems.add(field, f"must have at most {MAX_DESCRIPTION} characters")
    return found
