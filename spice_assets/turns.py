"""Run keys of work that may have to be asked for again: the same for a while, and never for ever."""

import hashlib
import json
from datetime import datetime
from typing import Any

AGAIN_SECONDS = 600


def key_of_turn(what: Any, at: datetime) -> str:
    """Return a run key that stays the same for ten minutes as long as `what` (JSON) does: one run in that time."""
    text = json.dumps(what, sort_keys=True)
    turn = int(at.timestamp()) // AGAIN_SECONDS
    return f"{hashlib.sha256(text.encode()).hexdigest()[:24]} {turn}"
