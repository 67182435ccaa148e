"""Errors of databases as errors of ours; no message holds a secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from spice_core.errors import InvalidSource, SourceGone, SourceNotAuthorized, SourceUnavailable, SpiceError
from spice_core.ports.connector import Access

_REFUSED = re.compile(
    r"password authentication failed|no pg_hba\.conf entry|role .* (does not exist|is not permitted)", re.IGNORECASE
)
_REFUSED_STATES = ("28", "42501")
_GONE_STATES = ("42P01", "3F000")
_BUSY_STATES = ("08", "53", "57", "40", "55", "58", "25006")
_MYSQL = {1044: "refused", 1045: "refused", 1142: "refused", 1698: "refused", 1146: "gone", 1049: "gone"}


@contextmanager
def translated(access: Access, *, is_table: bool) -> Iterator[None]:
    """Raise our errors for those of the database. `is_table`: a table that is not there is the source itself."""
    try:
        yield
    except DBAPIError as error:
        raise _error(error, access, is_table=is_table) from None
    except SQLAlchemyError as error:
        raise InvalidSource(f"the database cannot be read like this: {_told(str(error), access)}") from None


def _error(error: DBAPIError, access: Access, *, is_table: bool) -> SpiceError:
    original = error.orig
    state = str(getattr(original, "sqlstate", None) or "")
    message = _told(str(original), access)
    number = original.args[0] if original is not None and original.args else None
    kind = _MYSQL.get(number, "") if isinstance(number, int) else ""
    if kind == "refused" or state.startswith(_REFUSED_STATES) or (not state and _REFUSED.search(message)):
        return SourceNotAuthorized(f"the database refuses: {message}")
    if is_table and (kind == "gone" or state in _GONE_STATES):
        return SourceGone(f"the database has it no more: {message}")
    is_down = not state and isinstance(error, OperationalError | InterfaceError)
    if error.connection_invalidated or state.startswith(_BUSY_STATES) or is_down:
        return SourceUnavailable(f"the database does not answer: {message}")
    return InvalidSource(f"the database refuses the query: {message}")


def _told(text: str, access: Access) -> str:
    line = (text.strip() or "no reason given").splitlines()[0][:300]
    for secret in access.secrets.values():
        line = line.replace(secret, "***") if secret else line
    return line
