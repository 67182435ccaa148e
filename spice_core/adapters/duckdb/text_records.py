"""Records of a text file by their place: those at its beginning and its end, and how many there are between."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from spice_core.domain.text_dialects import parse_with_lines

_CHUNK = 1 << 22
_HEAD_BYTES = 2_000_000
_TAIL_BYTES = 65_536
_QUOTED = {quote: re.compile(re.escape(quote) + b"[^" + quote + b"]*" + re.escape(quote)) for quote in (b'"', b"'")}


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its cells, the line it starts at (from 0), and the bytes it takes in the file."""

    cells: Sequence[str]
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TextRecords:
    """The records of a UTF-8 file, counted from 0: the first ones, the last ones, and the number of all.

    Attributes:
        tail_index: the index of the first record in `tail`.
        count: without empty records at the end.
    """

    head: Sequence[Record]
    tail: Sequence[Record]
    tail_index: int
    count: int

    def at(self, index: int) -> Record | None:
        """Return the record at `index`, None where it is neither in the head nor in the tail."""
        if index < len(self.head):
            return self.head[index]
        place = index - self.tail_index
        return self.tail[place] if 0 <= place < len(self.tail) else None


def read_records(path: Path, delimiter: str, quote: str, *, most_head: int, most_tail: int) -> TextRecords:
    """Read up to `most_head` first and `most_tail` last records; one pass that parses nothing counts those between."""
    size = path.stat().st_size
    data = _head(path, most_head)
    head = _records(data, delimiter, quote, line=0, start=0)
    if len(data) < size or len(head) > most_head:  # the last record may go on behind the lines that were read
        head = head[: min(most_head, len(head) - 1)]
    end = head[-1].end if head else 0
    if end >= size:
        head = _without_empty_end(head)
        return TextRecords(head, (), len(head), len(head))
    tail_start = _tail_start(path, end, size)
    between, lines = _count(path, end, tail_start, quote.encode())
    if between < 0.9 * lines and all(
        record.end == after.start and after.line == record.line + 1 for record, after in pairwise(head)
    ):
        between = lines  # quotes that stand within cells
    line = data.count(b"\n", 0, end) + lines
    with path.open("rb") as file:
        file.seek(tail_start)
        last = _records(file.read(), delimiter, quote, line=line, start=tail_start)
    last = _without_empty_end(last)
    dropped = max(0, len(last) - most_tail)
    before = len(head) + between
    return TextRecords(head, last[dropped:], before + dropped, before + len(last))


def _head(path: Path, most: int) -> bytes:
    """Whole lines from the beginning."""
    lines: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while len(lines) <= most and size < _HEAD_BYTES and (line := file.readline(_HEAD_BYTES)):
            lines.append(line)
            size += len(line)
    return b"".join(lines)


def _records(data: bytes, delimiter: str, quote: str, *, line: int, start: int) -> list[Record]:
    """The records of `data`, which starts at a line and at a byte of the file."""
    offsets = [start]
    for raw in data.split(b"\n"):
        offsets.append(offsets[-1] + len(raw) + 1)
    offsets[-1] = start + len(data)
    parsed = parse_with_lines(data.decode(errors="replace").replace("\r\n", "\n"), delimiter, quote)
    ends = [*(before for before, _ in parsed[1:]), len(offsets) - 1][: len(parsed)]
    return [
        Record(cells, line + before, offsets[before], offsets[after]) for (before, cells), after in zip(parsed, ends, strict=True)
    ]


def _tail_start(path: Path, at_least: int, size: int) -> int:
    """The byte after a line end, near the end of the file."""
    with path.open("rb") as file:
        file.seek(max(at_least, size - _TAIL_BYTES))
        if file.tell() > at_least:
            file.readline()
        return file.tell()


def _count(path: Path, start: int, end: int, quote: bytes) -> tuple[int, int]:
    """The records and the lines of a range of bytes; a line end between quotes ends no record."""
    others = bytes({*range(256)} - {10, *quote})
    records = lines = 0
    is_open = False
    for chunk in _chunks(path, start, end):
        if not quote or quote not in chunk:
            ends = chunk.count(b"\n")
            lines += ends
            records += 0 if is_open else ends
            continue
        marks = chunk.translate(None, others)
        lines += marks.count(b"\n")
        marks = _QUOTED[quote].sub(b"", (quote * is_open + marks).replace(quote * 2, b""))
        opened = marks.find(quote)
        is_open = opened >= 0
        marks = marks[:opened] if is_open else marks
        records += marks.count(b"\n")
    return records, lines


def _chunks(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(min(_CHUNK, end - file.tell())):
            yield chunk


def _without_empty_end(records: list[Record]) -> list[Record]:
    count = len(records)
    while count and not any(cell.strip() for cell in records[count - 1].cells):
        count -= 1
    return records[:count]


def end_of_record(path: Path, delimiter: str, quote: str, index: int) -> int:
    """Return the byte after the record at `index`, by reading all before it; the file's size where there is none."""
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        with path.open("rb") as file:
            for line in file:
                read += len(line)
                yield line.decode(errors="replace")

    options = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    for number, _ in enumerate(csv.reader(lines(), delimiter=delimiter, **options)):
        if number == index:
            return read
    return path.stat().st_size
