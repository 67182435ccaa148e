"""Who an asset belongs to: the person who uploaded its newest data, where the upload names one by an e-mail address."""

import re

TEAM = "team:data"
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def owner_of(actor: str | None) -> str:
    """Return `actor` where Dagster takes it as a person, "" otherwise: programs, and people under other names."""
    return actor if actor and _EMAIL.fullmatch(actor) else ""


def owners_of(owner: str) -> list[str]:
    """Return the owners to show: `owner`, or everybody where that is empty."""
    return [owner or TEAM]
