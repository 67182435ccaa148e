"""Copies of a text file that DuckDB can read, where it cannot read the file itself."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spice_core.domain.text_encodings import decoded
from spice_core.ports.table_engine import Dialect

CHUNK = 1 << 20
_LINE_END = re.compile(rb"\r*\n|\r")


@contextmanager
def as_utf8(path: Path, encoding: str, scratch: Path) -> Iterator[Path]:
    """Lend the file as UTF-8 with `\\n` or `\\r\\n` line ends: itself, or a copy that is removed afterwards."""
    if encoding == "utf-8" and not _has_lone_returns(path):
        yield path
        return
    handle, copy = tempfile.mkstemp(dir=scratch, suffix=".csv")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            for text in decoded(chunks_of(path), encoding):
                file.write(text)
        if _has_lone_returns(Path(copy)):
            _replace_returns(Path(copy))
        yield Path(copy)
    finally:
        Path(copy).unlink(missing_ok=True)


def has_mixed_ends(path: Path) -> bool:
    """Whether lines of a UTF-8 file end in more ways than one, wherever they end: between quotes, too."""
    returns = feeds = pairs = 0
    last = b""
    for chunk in chunks_of(path):
        returns += chunk.count(b"\r")
        feeds += chunk.count(b"\n")
        pairs += (last + chunk).count(b"\r\n")
        last = chunk[-1:]
    return returns > 0 and feeds > 0 and not returns == feeds == pairs


@contextmanager
def with_even_ends(path: Path, scratch: Path) -> Iterator[Path]:
    """Lend a copy of a UTF-8 file in which every line ends in `\\n`, also between quotes; it is removed afterwards."""
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".csv") as copy:
        rest = b""
        for chunk in chunks_of(path):
            text = rest + chunk
            whole = text.rstrip(b"\r")
            rest = text[len(whole) :]
            copy.write(_LINE_END.sub(b"\n", whole))
        copy.write(_LINE_END.sub(b"\n", rest))
        copy.flush()
        yield Path(copy.name)


def even_ends(text: str) -> str:
    """Return `text` with every line ending in `\\n`, as `with_even_ends` has it."""
    return _LINE_END.sub(b"\n", text.encode(errors="surrogatepass")).decode(errors="surrogatepass") if "\r" in text else text


@contextmanager
def without_loose_quotes(path: Path, dialect: Dialect, first: int, scratch: Path) -> Iterator[Path]:
    """Lend the file with the quotes of skipped lines blanked where they are loose: DuckDB would skip on to the next one.

    The copy has the same lines and bytes in the same places.
    """
    quote = dialect.quote.encode()
    with path.open("rb") as source:
        head = b"".join(source.readline(CHUNK) for _ in range(first))
        if not quote or quote not in head or _is_well_quoted(head.decode(errors="replace"), dialect):
            yield path
            return
        with tempfile.NamedTemporaryFile(dir=scratch, suffix=".csv") as copy:
            copy.write(head.replace(quote, b"_" * len(quote)))
            shutil.copyfileobj(source, copy)
            copy.flush()
            yield Path(copy.name)


def _is_well_quoted(head: str, dialect: Dialect) -> bool:
    """Whether quotes only enclose whole cells."""
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    cell = f"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{quote}{delimiter}\n]*)"
    return re.fullmatch(f"(?:{cell}(?:{delimiter}{cell})*\\r?\n)*", head) is not None


def _has_lone_returns(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(1 << 18)
    return b"\r" in head and b"\n" not in head


def _replace_returns(path: Path) -> None:
    with path.open("rb") as old, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as new:
        while chunk := old.read(CHUNK):
            new.write(chunk.replace(b"\r", b"\n"))
    shutil.move(new.name, path)


def chunks_of(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """Yield a file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk
