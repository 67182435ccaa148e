"""Stored rows as documents."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from spice_core.domain.search import SearchDocument

DOCUMENT_COLUMNS = sql.SQL(
    "m.key, m.version, m.is_deleted, m.position, m.event_id,"
    " m.updated_at AT TIME ZONE 'UTC' AS updated_at, m.created_at AT TIME ZONE 'UTC' AS created_at, m.data"
)
"""What a SELECT from a class's table (alias `m`) returns for `load_document`."""

DOCUMENT_WIDTH = 8


def load_document(row: Sequence[Any], class_id: str) -> SearchDocument:
    """Return the document of a row that begins with `DOCUMENT_COLUMNS`."""
    key, version, is_deleted, position, event_id, updated_at, created_at, data = row[:DOCUMENT_WIDTH]
    return SearchDocument(
        key=key,
        class_id=class_id,
        data=json.loads(data),
        version=version,
        position=position,
        event_id=event_id,
        updated_at=_utc(updated_at),
        created_at=None if created_at is None else _utc(created_at),
        is_deleted=is_deleted,
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
