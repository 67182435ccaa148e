"""Full text over the words that the application found: clauses as queries, points as scores (see `domain.text.relevance`)."""

from collections.abc import Sequence

from spice_core.adapters.elasticsearch.search_filters import NOTHING, Query, any_of
from spice_core.domain.text import Clause

WORDS, TITLE = "words", "title"


def text_queries(clauses: Sequence[Clause]) -> tuple[list[Query], list[Query]]:
    """Return what must hold, and what scores: each clause 8, 4 and 2. No clause finds nothing."""
    if not clauses:
        return [NOTHING], []
    needed = [_meets(clause, WORDS) for clause in clauses]
    scores: list[Query] = []
    for clause in clauses:
        exact = Clause(clause.words)
        scores += [_points(_meets(exact, TITLE), 8), _points(_meets(clause, TITLE), 4), _points(_meets(exact, WORDS), 2)]
    return needed, scores


def _points(query: Query, points: int) -> Query:
    return {"constant_score": {"filter": query, "boost": points}}


def _meets(clause: Clause, field: str) -> Query:
    if len(clause.words) > 1:
        return {"match_phrase": {field: {"query": " ".join(clause.words), "analyzer": "whitespace"}}}
    word = clause.words[0]
    if clause.is_prefix:
        return {"prefix": {field: {"value": word}}}
    if clause.edits:
        near: Query = {"fuzzy": {field: {"value": word, "fuzziness": clause.edits, "rewrite": "constant_score"}}}
        return any_of([{"term": {field: word}}, near])
    return {"term": {field: word}}
