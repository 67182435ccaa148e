"""Page tokens: where the next page of one very query begins."""

import base64
import binascii
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import orjson

from spice_core.domain.queries import Filter, Sort
from spice_core.errors import InvalidQuery


@dataclass(frozen=True, slots=True)
class PageMark:
    """The last node of a page: the text of its sort value (None for null or without sort) and its key."""

    value: str | None
    key: str


def query_fingerprint(class_ids: Collection[str], filters: Sequence[Filter], sort: Sort | None) -> str:
    """Return a short text that is the same for the same question only."""
    question = (sorted(class_ids), [astuple(item) for item in filters], sort and astuple(sort))
    return hashlib.sha256(orjson.dumps(question, default=str)).hexdigest()[:12]


def encode_mark(fingerprint: str, mark: PageMark) -> str:
    """Return the token of `mark` within the query of `fingerprint`."""
    return base64.urlsafe_b64encode(orjson.dumps([fingerprint, mark.value, mark.key])).decode().rstrip("=")


def decode_mark(fingerprint: str, token: str) -> PageMark:
    """Return the mark of `token`.

    Raises:
        InvalidQuery: it is not a token of this query.
    """
    try:
        found: Any = orjson.loads(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        found = None
    match found:
        case [str() as theirs, None | str() as value, str() as key] if theirs == fingerprint:
            return PageMark(value, key)
        case _:
            raise InvalidQuery("`after` does not come from this query; start from the first page")
