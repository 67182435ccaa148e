"""The one way in which a process logs: a line per record, as JSON or for people, without secrets."""

import logging
import re
import sys
import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import orjson
from structlog.contextvars import get_contextvars

MASK = "********"
_LEAST_SECRET = 8  # a shorter one is a common word somewhere, and masking it would spoil every line
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_URL_PASSWORD = re.compile(r"(\w://[^\s/:@]*):[^\s/@]+@")
_NAMED_SECRET = re.compile(
    r"""(?ix) \b( [\w-]* (?: password | passwd | secret | token | api[_-]?key | access[_-]?key | credential s? ) [\w-]* )
        ( ["']? \s* [=:] \s* ["']? ) [^\s"',;&]+ """
)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic|apikey)\s+[A-Za-z0-9._~+/=-]{6,}")
_SECRET_KEY = re.compile(r"(?i)password|passwd|secret|token|api_?key|access_?key|authorization|credential")
_ACCESS = "uvicorn.access"
_ACCESS_FIELDS = ("client", "method", "path", "http_version", "status")
_QUIET = {"opentelemetry": logging.ERROR, "urllib3": logging.WARNING, "asyncio": logging.WARNING, "httpx2": logging.WARNING}


class Redaction:
    """Masks known secrets wherever they stand in a text, and what looks like one: `password=…`, `://user:…@`, `Bearer …`."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= _LEAST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def of(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
        return _NAMED_SECRET.sub(rf"\1\2{MASK}", text)

    def of_field(self, key: str, value: object) -> object:
        """Return the value of a field without secrets; one whose name says that it is secret is masked whole."""
        if _SECRET_KEY.search(key):
            return MASK
        return self.of(value) if isinstance(value, str) else value


class _Lines(logging.Formatter):
    """What both kinds of lines have in common: the fields of a record."""

    def __init__(self, process: str, redaction: Redaction) -> None:
        super().__init__()
        self._process = process
        self._redaction = redaction

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Return what is known beside the message: of the request or batch under way, and what the caller gave as `extra`."""
        given: dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.name == _ACCESS and isinstance(record.args, tuple) and len(record.args) == len(_ACCESS_FIELDS):
            given |= dict(zip(_ACCESS_FIELDS, record.args, strict=True))
        return {key: self._redaction.of_field(key, value) for key, value in {**get_contextvars(), **given}.items()}

    def message(self, record: logging.LogRecord) -> str:
        """Return the message without secrets."""
        return self._redaction.of(record.getMessage())

    def exception(self, record: logging.LogRecord) -> str:
        """Return the traceback without secrets, an empty text for none."""
        return self._redaction.of(self.formatException(record.exc_info)) if record.exc_info and record.exc_info[0] else ""


class JsonLines(_Lines):
    """One JSON object per line: `time`, `level`, `logger`, `message`, `process`, and the fields that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, object] = {
            "time": _time(record).replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
            "process": self._process,
        }
        line |= {key: value for key, value in self.fields(record).items() if key not in line}
        if exception := self.exception(record):
            line["exception"] = exception
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class ConsoleLines(_Lines):
    """Lines for people: time, level, logger, message, and the fields behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; a traceback follows on lines of its own."""
        fields = " ".join(f"{key}={value}" for key, value in self.fields(record).items())
        line = f"{_time(record)[:23]} {record.levelname} {record.name} {self.message(record)}{' ' + fields if fields else ''}"
        exception = self.exception(record)
        return f"{line}\n{exception}" if exception else line


def start_logging(
    *, level: str, is_json: bool, process: str, secrets: Collection[str] = (), stream: TextIO | None = None
) -> None:
    """Make every logger of this process write to `stream` (standard error) in one way; calling it again begins anew.

    Also warnings, and exceptions that nobody caught.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    redaction = Redaction(secrets)
    handler.setFormatter(JsonLines(process, redaction) if is_json else ConsoleLines(process, redaction))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def secrets_of_urls(urls: Mapping[str, str]) -> set[str]:
    """Return the passwords in addresses of the form `scheme://user:password@host`."""
    found = (re.search(r"\w://[^\s/:@]*:([^\s/@]+)@", url) for url in urls.values())
    return {match[1] for match in found if match}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("spice").critical("the process ends: nobody caught this", exc_info=(kind, error, traceback))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "?"
        logging.getLogger("spice").critical(
            "thread %s ended: nobody caught this", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )
