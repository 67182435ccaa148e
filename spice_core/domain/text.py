"""Full text without an engine: words, query syntax, spelling distance and highlighting, the same for every search index."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

LONGEST_WORD = 100
"""Words are cut to this many characters, in documents and in queries."""

MAX_PLACES = 255
"""How many places of one word in a document are kept."""

_WORD = re.compile(r"[^\W_]+")
_QUERY_PART = re.compile(r'"([^"]*)"|([^\s"]+)')
_FRAGMENT = 200
_LEAD = 60
_MAX_POSITION = 16_000
_MAX_SIZE = 800_000


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that must occur: `words` next to each other; a single word may be a `prefix` or be misspelled by `edits`."""

    words: tuple[str, ...]
    is_prefix: bool = False
    edits: int = 0

    def accepts(self, word: str) -> bool:
        """Return whether a document's `word` stands for this clause's only word."""
        wanted = self.words[0]
        if self.is_prefix:
            return word.startswith(wanted)
        return word == wanted or (self.edits > 0 and edit_distance(word, wanted, limit=self.edits) <= self.edits)


@dataclass(frozen=True, slots=True)
class Posting:
    """Where a word stands in a document: positions from 1, and those of them that are in the title."""

    positions: tuple[int, ...]
    title_positions: frozenset[int]


def fold(text: str) -> str:
    """Return `text` without accents and case (NFKD, marks stripped, casefold)."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.category(char).startswith("M")).casefold()


def words(text: str) -> list[str]:
    """Return the words of `text` in order: the folded runs of letters and digits."""
    found = _WORD.findall(fold(text))
    return [word[:LONGEST_WORD] for word in found] if len(text) > LONGEST_WORD else found


def parse_text(text: str, *, is_fuzzy: bool = False) -> tuple[Clause, ...]:
    """Read a query: words, `prefix*`, `"quoted words"`; a part like `foo-bar*` is the word foo and the prefix bar."""
    clauses: list[Clause] = []
    for match in _QUERY_PART.finditer(text):
        quoted, plain = match.groups()
        if quoted is not None:
            phrase = tuple(words(quoted))
            clauses += [Clause(phrase)] if phrase else []
            continue
        parts = words(plain)
        is_prefix = plain.endswith("*")
        for index, word in enumerate(parts):
            if is_prefix and index == len(parts) - 1:
                clauses.append(Clause((word,), is_prefix=True))
            else:
                clauses.append(Clause((word,), edits=allowed_edits(word) if is_fuzzy else 0))
    return tuple(dict.fromkeys(clauses))


def allowed_edits(word: str) -> int:
    """Return how many edits a fuzzy match of `word` may take: 0, 1 or 2 for lengths under 3, 3 to 5, over 5."""
    if len(word) < 3:
        return 0
    return 1 if len(word) <= 5 else 2


def edit_distance(left: str, right: str, *, limit: int) -> int:
    """Return the edits (insert, delete, replace, swap of neighbours) between two words; any number over `limit` means more."""
    if left == right:
        return 0
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    older: list[int] = []
    old: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left, 1):
        older, old, row = old, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(old[j] + 1, row[j - 1] + 1, old[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and min(old) > limit:
            return limit + 1
    return row[-1]


def postings(texts: Iterable[tuple[str, bool]]) -> dict[str, Posting]:
    """Return the words of a document's (text, is_title) fields with their places (see `placed_words`)."""
    places: dict[str, list[int]] = {}
    titles: dict[str, set[int]] = {}
    for word, position, is_title in placed_words(texts):
        found = places.setdefault(word, [])
        if len(found) < MAX_PLACES:
            found.append(position)
            if is_title:
                titles.setdefault(word, set()).add(position)
    return {word: Posting(tuple(found), frozenset(titles.get(word, ()))) for word, found in places.items()}


def placed_words(texts: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, int, bool]]:
    """Yield (word, position, is_title) of a document's (text, is_title) fields, positions from 2.

    Between fields a position is left out, so that no phrase spans two of them. Beyond 16,000 words, `MAX_PLACES` of a word
    or about 800 kB the rest is not searchable.
    """
    position = size = 0
    for text, is_title in texts:
        found = words(text)
        position += 1
        for word in found:
            position += 1
            size += 4 * len(word) + 8
            if position > _MAX_POSITION or size > _MAX_SIZE:
                return
            yield word, position, is_title


def relevance(clauses: Sequence[Clause], document: Mapping[str, Posting]) -> int | None:
    """Return how well a document fits, None if a clause does not occur in it.

    Each clause adds 8 if it stands in the title as written, 4 if it stands there at all, 2 if it stands anywhere as written.
    """
    total = 0
    for clause in clauses:
        points = _phrase_points(clause, document) if len(clause.words) > 1 else _word_points(clause, document)
        if points is None:
            return None
        total += points
    return total


def _word_points(clause: Clause, document: Mapping[str, Posting]) -> int | None:
    exact = document.get(clause.words[0])
    if exact is not None:
        return 14 if exact.title_positions else 2 + _title_points(clause, document)
    accepted = [posting for word, posting in document.items() if clause.accepts(word)]
    if not accepted:
        return None
    return 4 if any(posting.title_positions for posting in accepted) else 0


def _title_points(clause: Clause, document: Mapping[str, Posting]) -> int:
    if not clause.is_prefix and not clause.edits:
        return 0
    return 4 if any(posting.title_positions and clause.accepts(word) for word, posting in document.items()) else 0


def _phrase_points(clause: Clause, document: Mapping[str, Posting]) -> int | None:
    found = [document.get(word) for word in clause.words]
    first, *rest = found
    if first is None or any(posting is None for posting in rest):
        return None
    starts = [
        start
        for start in first.positions
        if all(posting is not None and start + step in posting.positions for step, posting in enumerate(rest, 1))
    ]
    if not starts:
        return None
    return 14 if any(start in first.title_positions for start in starts) else 2


def highlight(text: str, clauses: Sequence[Clause]) -> str | None:
    """Return a fragment of `text`, HTML-escaped, with the words that meet `clauses` in `<em>`; None if there are none."""
    spans = list(_spans(text))
    marked = _marked(spans, clauses)
    if not marked:
        return None
    start, end = _window(text, marked[0][0])
    parts = ["…" if start else ""]
    cursor = start
    for left, right in marked:
        if left < cursor or right > end:
            continue
        parts += [html.escape(text[cursor:left]), "<em>", html.escape(text[left:right]), "</em>"]
        cursor = right
    parts += [html.escape(text[cursor:end]), "…" if end < len(text) else ""]
    return "".join(parts)


def _marked(spans: Sequence[tuple[str, int, int]], clauses: Sequence[Clause]) -> list[tuple[int, int]]:
    chosen: set[tuple[int, int]] = set()
    for clause in clauses:
        length = len(clause.words)
        for index, (word, start, end) in enumerate(spans):
            if length == 1 and clause.accepts(word):
                chosen.add((start, end))
            elif length > 1 and tuple(span[0] for span in spans[index : index + length]) == clause.words:
                chosen.update((left, right) for _, left, right in spans[index : index + length])
    return sorted(chosen)


def _window(text: str, first: int) -> tuple[int, int]:
    if len(text) <= _FRAGMENT:
        return 0, len(text)
    start = max(0, min(first - _LEAD, len(text) - _FRAGMENT))
    return start, min(len(text), max(start + _FRAGMENT, first + LONGEST_WORD))


def _spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (word, start, end): folding may change lengths, so every folded character remembers where it came from."""
    folded: list[str] = []
    origin: list[int] = []
    for index, char in enumerate(text):
        piece = fold(char)
        folded.append(piece)
        origin += [index] * len(piece)
    for match in _WORD.finditer("".join(folded)):
        start, end = origin[match.start()], origin[match.end() - 1] + 1
        while end < len(text) and not fold(text[end]):  # marks that were stripped belong to the letter before them
            end += 1
        yield match.group()[:LONGEST_WORD], start, end
