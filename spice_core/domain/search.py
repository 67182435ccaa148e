"""What a search index keeps and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spice_core.domain.queries import Facet, FacetRequest, Filter, Kind, Sort


@dataclass(frozen=True, slots=True)
class IndexedField:
    """One property as the index sees it: `is_array` holds many values, `is_text` is searched as full text."""

    name: str
    kind: Kind
    is_array: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class IndexedClass:
    """The typed fields of one class; `title_field` weighs more in full text and is matched fuzzily."""

    class_id: str
    fields: Sequence[IndexedField]
    title_field: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """One document, or its tombstone (`is_deleted`), at a version.

    Attributes:
        key: `Class/id`.
        class_id: its class.
        data: the full JSON state; empty for a tombstone.
        version: the log position of the command that made this state (`Node.position` of the same state): it grows with every
            state of a key, on every branch. A write of a version not above the stored one is stale and changes nothing.
        position: the log position of the event it was made from.
        event_id: that event.
        updated_at: that event's time.
        created_at: the time of the creating event.
    """

    key: str
    class_id: str
    data: Mapping[str, Any]
    version: int
    position: int
    event_id: str
    updated_at: datetime
    created_at: datetime | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to find. Without `text` hits come by `sort` then key; with `text` and no `sort` best first, ties by key.

    `text`: every word must occur in a text field, accents and case folded, a word ending in `*` as a prefix,
    `"quoted words"` next to each other; with `is_fuzzy` words may be misspelled (0/1/2 edits for lengths < 3 / 3-5 / > 5).
    """

    class_ids: Sequence[str]
    text: str | None = None
    is_fuzzy: bool = False
    filters: Sequence[Filter] = ()
    sort: Sort | None = None
    facets: Sequence[FacetRequest] = ()
    after: str | None = None
    offset: int = 0
    limit: int = 20
    with_highlights: bool = False


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One found document; `highlights` are fragments by field with matches between `<em>` and `</em>` (HTML-escaped)."""

    document: SearchDocument
    highlights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One page. `total` is exact up to 10,000, where `total_is_exact` turns false."""

    hits: Sequence[SearchHit]
    total: int
    total_is_exact: bool
    next_after: str | None
    facets: Sequence[Facet] = ()


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How many documents of a write were applied, and how many were stale."""

    applied: int
    stale: int
