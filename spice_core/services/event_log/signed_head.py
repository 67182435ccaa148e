"""A log's head, signed, to be kept elsewhere: it catches a log that was rewritten with a consistent chain."""

import base64
import hashlib
import hmac

import orjson

from spice_core.errors import IntegrityViolation
from spice_core.services.event_log.reader import LogHead


def sign_head(database: str, head: LogHead, *, key: bytes) -> str:
    """Return `head` of `database` as a printable token, signed with `key` (HMAC-SHA256)."""
    body = orjson.dumps([database, head.segment, head.position, head.chain_hash])
    return f"{_text(body)}.{_text(_signature(body, key))}"


def open_head(token: str, *, database: str, key: bytes) -> LogHead:
    """Return the head that `sign_head` signed for `database`.

    Raises:
        IntegrityViolation: the token was not signed with `key`, or is another database's.
    """
    try:
        body, signature = (base64.urlsafe_b64decode(part) for part in token.split("."))
        is_ours = hmac.compare_digest(signature, _signature(body, key))
        name, segment, position, chain_hash = orjson.loads(body) if is_ours else ("", 0, 0, "")
    except ValueError as error:
        raise IntegrityViolation("The signed head is no token of ours.") from error
    if not is_ours:
        raise IntegrityViolation("The signed head was not signed with this key.")
    if name != database:
        raise IntegrityViolation(f"The signed head is of {name}, not of {database}.")
    return LogHead(segment, position, chain_hash)


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
