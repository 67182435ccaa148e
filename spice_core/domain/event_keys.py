"""The fixed-size form of an event id, under which indexes keep it."""

import hashlib
import re
from uuid import UUID

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def event_key(event_id: str) -> str:
    """Return the UUID text of an event id: itself where it is one in its usual form, else 16 bytes hashed from it."""
    if _UUID.fullmatch(event_id):
        return event_id
    return str(UUID(bytes=hashlib.blake2b(event_id.encode(), digest_size=16).digest()))
