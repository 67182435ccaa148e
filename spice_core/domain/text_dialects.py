"""How a text table is written: delimiter, quote, where it starts, and whether it has a header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

DELIMITERS = (",", ";", "\t", "|", ":", " ", "^", "~")
QUOTES = ('"', "'", "")
_RARE_DELIMITERS = {":": 0.6, " ": 0.45, "^": 0.8, "~": 0.8}
_NUMBER = re.compile(r"[(+\u2212-]?\s*[$€£¥₩]?\s*\d[\d.,'\s]*(?:[eE][+-]?\d+)?\s*[%)]?")
_DATE = re.compile(r"\d{1,4}[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,4}日?(?:[ T]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_][\w .,'()/&%#*+-]*")
_IDENTIFIER = re.compile(r"[\w.+-]+@[\w.-]+|https?://\S+|[0-9a-fA-F-]{36}|[\w.:/#-]+")
_PROSE = re.compile(r"\D*\w\s+\D*\w\s+\D*\w\s+\D+")
_FEWEST_BLOCK_ROWS, _FEWEST_BLOCK_SHARE = 4, 0.25
_BLOCK_WEIGHT = 0.85
_SHORT_RUN, _SHORT_RUN_WEIGHT = 3, 0.25
_NULLS = frozenset({"", "na", "n/a", "null", "none", "nan", "-", "--", "?", "."})


@dataclass(frozen=True, slots=True)
class Layout:
    """A candidate dialect on a sample: `score` is comparable between candidates of one sample only."""

    delimiter: str
    quote: str
    columns: int
    score: float


def layouts(sample: str) -> list[Layout]:
    """Return the candidate dialects of `sample` (whole lines), best first; empty where no delimiter makes a table."""
    found = []
    for delimiter in DELIMITERS:
        if delimiter not in sample:
            continue
        for quote in QUOTES:
            if quote and quote not in sample:
                continue
            rows = [row for row in parse(sample, delimiter, quote) if row]
            if (layout := _judge(rows, delimiter, quote)) is not None:
                found.append(layout)
    return sorted(found, key=lambda layout: -layout.score)


def parse(sample: str, delimiter: str, quote: str) -> list[list[str]]:
    """Return the records of `sample`; what no record can be made of ends the list."""
    return [row for _, row in parse_with_lines(sample, delimiter, quote)]


def parse_with_lines(sample: str, delimiter: str, quote: str) -> list[tuple[int, list[str]]]:
    """Return the records of `sample`, each with the number of lines before it."""
    lines = io.StringIO(sample, newline="\n")
    if quote:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    found: list[tuple[int, list[str]]] = []
    before = 0
    while True:
        try:
            row = next(reader)
        except (StopIteration, csv.Error):
            return found
        found.append((before, row))
        before = reader.line_num


def is_number(text: str) -> bool:
    """Return whether a trimmed text is a number, with or without sign, brackets, currency or percent."""
    return _NUMBER.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Return whether a trimmed text is a date of numbers, with or without a time, or a time."""
    return _DATE.fullmatch(text) is not None


def table_bounds(rows: Sequence[Sequence[str]]) -> tuple[int, int | None, int]:
    """Return (index of the first row of the table, index of its header or None, number of columns).

    The table is where most rows have one width: preambles before it are skipped. A header is a row of names above rows that
    differ from it in kind; of several header rows the last one directly above the data is it.
    """
    columns = _width(rows)
    start = _start(rows, columns)
    header = header_index(rows[start : start + 200], columns)
    return start, None if header is None else start + header, columns


def header_index(rows: Sequence[Sequence[str]], columns: int) -> int | None:
    """Return which of the first rows is the header, None where the first row is data already."""
    if not rows:
        return None
    body = [row for row in rows[1:] if len(row) == columns]
    return 0 if _is_header(rows[0], body, columns) else None


PLACE = "file_row_number"
"""What engines call a row's place in its file, from 0; it cannot be a column, too."""


def unique_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return column names, trimmed, none empty, none twice (compared without case), and what had to be changed."""
    found: list[str] = []
    seen: set[str] = set()
    changes: list[str] = []
    for number, raw in enumerate(names, start=1):
        name = " ".join(raw.replace("\ufeff", "").split()) or f"column_{number}"
        unique, count = name, 1
        while unique.casefold() in seen or unique.startswith("__") or unique.casefold() == PLACE:
            count += 1
            unique = f"{name.strip('_')}_{count}"
        if not raw.strip():
            changes.append(f"column {number} has no name: {unique}")
        elif unique != name:
            changes.append(f"column {number} repeats or reserves the name {name!r}: {unique}")
        seen.add(unique.casefold())
        found.append(unique)
    return found, changes


def _judge(rows: Sequence[Sequence[str]], delimiter: str, quote: str) -> Layout | None:
    columns = _width(rows)
    if columns < 2:
        return None
    widths = Counter(len(row) for row in rows)
    body = [row for row in rows if len(row) == columns]
    whole = (widths[columns] / len(rows)) ** 2 * _look(body, quote)
    # What stands between the words of a sentence makes no block.
    block = 0.0 if delimiter in _RARE_DELIMITERS else _block_score(rows, columns, quote)
    score = max(whole, block) * (1 - 1 / columns) ** 0.5 * _RARE_DELIMITERS.get(delimiter, 1.0)
    return Layout(delimiter, quote, columns, score * {'"': 1.0, "'": 0.97, "": 0.999}[quote])


def _look(body: Sequence[Sequence[str]], quote: str) -> float:
    """How much the cells of rows look like values, 0 to 1."""
    cells = [cell.strip() for row in body[:200] for cell in row]
    typed = sum(map(_cell_score, cells)) / len(cells)
    stray = sum('"' in cell for cell in cells) / len(cells) if quote != '"' else 0.0
    return typed * (1 - stray)


def _block_score(rows: Sequence[Sequence[str]], columns: int, quote: str) -> float:
    """How much one stretch of the rows looks like a table, whatever text stands above and below it; 0 for none."""
    first, last = _block(rows, columns)
    stretch = rows[first : last + 1]
    body = [row for row in stretch if len(row) == columns]
    share = len(stretch) / len(rows)
    if len(body) < _FEWEST_BLOCK_ROWS or (columns == 2 and share < _FEWEST_BLOCK_SHARE):
        return 0.0
    prose = sum(_is_prose(row) for row in body) / len(body)
    return (len(body) / len(stretch)) ** 2 * float(share ** (1 / 3)) * _BLOCK_WEIGHT * _look(body, quote) * (1 - prose)


def _block(rows: Sequence[Sequence[str]], columns: int) -> tuple[int, int]:
    """The first and last row of the stretch in which rows of this width outnumber the others the most."""
    best, found = 0, (0, -1)
    total, first = 0, 0
    for index, row in enumerate(rows):
        if total <= 0:
            total, first = 0, index
        total += 1 if len(row) == columns else -1
        if total > best:
            best, found = total, (first, index)
    return found


def _is_prose(row: Sequence[str]) -> bool:
    """Whether half of what a row holds are words in a row without a number: a sentence that a delimiter cuts."""
    filled = [cell.strip() for cell in row if cell.strip()]
    return sum(_PROSE.match(cell) is not None for cell in filled) * 2 >= max(1, len(filled))


def _cell_score(cell: str) -> float:
    if cell.casefold() in _NULLS:
        return 0.7
    if is_number(cell) or is_date(cell):
        return 1.0
    if _WORD.fullmatch(cell) or _IDENTIFIER.fullmatch(cell):
        return 0.9
    return 0.5


def _width(rows: Sequence[Sequence[str]]) -> int:
    """The width of most rows, those that stand together first; of two about equally frequent ones the wider."""
    filled = [len(row) for row in rows if any(cell.strip() for cell in row)]
    runs = [(width, len(list(run))) for width, run in groupby(filled)]
    weights: dict[int, float] = {}
    for width, length in runs:
        weights[width] = weights.get(width, 0.0) + (length if length >= _SHORT_RUN else length * _SHORT_RUN_WEIGHT)
    if not weights:
        return 0
    wide = {width: weight for width, weight in weights.items() if width > 1} or weights
    most = max(wide.values())
    return max(width for width, weight in wide.items() if weight >= 0.8 * most)


def _start(rows: Sequence[Sequence[str]], columns: int) -> int:
    for index, row in enumerate(rows):
        filled = sum(bool(cell.strip()) for cell in row)
        if len(row) == columns and _is_prose(row) and index + 1 < len(rows) and _is_prose(rows[index + 1]):
            continue
        following = [len(later) for later in rows[index : index + 5] if later]
        if len(row) == columns and filled > columns / 2 and following.count(columns) > len(following) / 2:
            return index
        if (
            columns > 2
            and len(row) == columns - 1
            and filled == len(row)
            and index + 1 < len(rows)
            and len(rows[index + 1]) == columns
        ):
            return index  # rows end in one delimiter more than the header
    return next((index for index, row in enumerate(rows) if len(row) == columns), 0)


def _is_header(first: Sequence[str], body: Sequence[Sequence[str]], columns: int) -> bool:
    names = [cell.strip() for cell in first]
    filled = [name for name in names if name]
    if not filled or any(_is_value(name) for name in filled):
        return False
    if len(filled) < len(names) and len(filled) < columns * 0.5:
        return False
    if not body:
        return len({name.casefold() for name in filled}) == len(filled)
    if any(_differs(name, [row[index].strip() for row in body]) for index, name in enumerate(names)):
        return True
    repeats = sum(any(row[index].strip() == name for row in body) for index, name in enumerate(names) if name)
    return repeats == 0 and len({name.casefold() for name in filled}) == len(filled)


def _is_value(text: str) -> bool:
    is_year = text.isdigit() and len(text) == 4 and 1800 <= int(text) <= 2200  # years head columns of wide tables
    return (is_number(text) or is_date(text)) and not is_year


def _differs(name: str, values: Sequence[str]) -> bool:
    """Whether `name` stands above values of another kind: numbers or dates."""
    given = [value for value in values if value.casefold() not in _NULLS]
    if not name or not given:
        return False
    valued = sum(is_number(value) or is_date(value) for value in given)
    return valued / len(given) > 0.8
