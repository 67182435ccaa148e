"""Texts in documents: plain text, and texts of a form such as dates, addresses and ids."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

MAX_TEXT = 1_000_000
MAX_URI = 4_096

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?P<fraction>(?<=:[0-9]{2}:[0-9]{2})[.][0-9]{1,9})?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?P<fraction>[.,][0-9]{1,9})?\s?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_PHONE = re.compile(r"[+(]{0,2}[0-9][0-9 ()./-]{1,30}(\s?(x|ext\.?)\s?[0-9]{1,6})?", re.IGNORECASE)
_URI_STOPS = re.compile(r"[\s<>\"{}|\\^`]")

FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "duration": (
        re.compile(r"-?P(?=.)([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+([.][0-9]+)?S)?)?"),
        "an ISO 8601 duration such as P1DT2H",
    ),
    "gYear": (re.compile(r"-?[0-9]{4,9}"), "a year such as 2013"),
    "gYearMonth": (re.compile(r"-?[0-9]{4,9}-(0[1-9]|1[0-2])"), "a year and month such as 2013-01"),
    "gMonth": (re.compile(r"--(0[1-9]|1[0-2])"), "a month such as --01"),
    "gMonthDay": (re.compile(r"--(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"), "a month and day such as --01-31"),
    "gDay": (re.compile(r"---(0[1-9]|[12][0-9]|3[01])"), "a day such as ---31"),
    "hexBinary": (re.compile(r"([0-9a-fA-F]{2})*"), "an even number of hexadecimal digits"),
}


def read_text(value: Any) -> str:
    """Return text of at most a million characters without control characters (tab and line ends may stay)."""
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - every reader says what is wrong in one way
    if len(value) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT} characters")
    if not value.isprintable() and _CONTROL.search(value):
        raise ValueError("holds NUL or other control characters; remove them")
    return value


def form_reader(name: str) -> Callable[[Any], str]:
    """Return a reader of a text type that a regular expression describes."""
    form, words = FORMS[name]

    def read(value: Any) -> str:
        text = read_text(str(value) if name == "gYear" and type(value) is int else value)
        if not form.fullmatch(text):
            raise ValueError(f"must be {words}")
        return text

    return read


def read_date(value: Any) -> str:
    """Return `YYYY-MM-DD`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("must be a date YYYY-MM-DD")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date that exists, as YYYY-MM-DD") from None
    return value


def read_date_time(value: Any) -> str:
    """Return UTC text `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`; a time without an offset is UTC, a date alone its midnight."""
    if isinstance(value, datetime):
        return _utc_text(value)
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    found = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a time such as 2013-01-01T10:00:00Z")
    fraction = (found["fraction"] or "")[1:].rstrip("0")
    if len(fraction) > 6:
        raise ValueError("must have at most 6 digits of a second")
    zone = (found["zone"] or "Z").upper().replace("Z", "+00:00")
    seconds = f".{fraction:0<6}" if fraction else ""
    try:
        return _utc_text(datetime.fromisoformat(f"{found['date']}T{found['clock'] or '00:00'}{seconds}{zone}"))
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists, such as 2013-01-01T10:00:00Z") from None


def read_time(value: Any) -> str:
    """Return a time of day as it was written."""
    if isinstance(value, time):
        return value.isoformat()
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a time of day such as 10:30:00")
    try:
        time.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a time of day that exists, such as 10:30:00") from None
    return value


def read_email(value: Any) -> str:
    """Return an e-mail address as it was written."""
    text = read_text(value)
    if len(text) > 254 or not _EMAIL.fullmatch(text):
        raise ValueError("must be an e-mail address such as name@example.com")
    return text


def read_phone(value: Any) -> str:
    """Return a telephone number as it was written."""
    text = read_text(value)
    if not _PHONE.fullmatch(text) or not 3 <= sum(sign.isdigit() for sign in text) <= 20:
        raise ValueError("must be a telephone number such as +82 2 123 4567")
    return text


def read_uri(value: Any) -> str:
    """Return a URI or relative reference."""
    text = read_text(value)
    if not 0 < len(text) <= MAX_URI or _URI_STOPS.search(text):
        raise ValueError(f"must be a URI of at most {MAX_URI} characters without spaces")
    return text


def read_url(value: Any) -> str:
    """Return an http, https or ftp address."""
    text = read_uri(value)
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https", "ftp"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise ValueError("must be an address such as https://example.com/path")
    return text


def read_uuid(value: Any) -> str:
    """Return a UUID in lower case with dashes."""
    try:
        return str(UUID(read_text(value)))
    except ValueError:
        raise ValueError("must be a UUID such as 123e4567-e89b-12d3-a456-426614174000") from None


def read_ip(value: Any) -> str:
    """Return an IPv4 or IPv6 address in its short form."""
    try:
        return str(ipaddress.ip_address(read_text(value)))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None


def read_base64(value: Any) -> str:
    """Return base64 text."""
    text = read_text(value)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
    return text


def _utc_text(value: datetime) -> str:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat() + "Z"
