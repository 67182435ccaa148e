"""Words, query syntax, spelling distance and highlighting."""

import random

import pytest

from spice_core.domain.text import Clause, allowed_edits, edit_distance, fold, highlight, parse_text, postings, relevance, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Hello, World", ["hello", "world"]),
        ("São_Paulo-2", ["sao", "paulo", "2"]),
        ("Straße ﬁn ½", ["strasse", "fin", "1", "2"]),
        ("e\u0301te\u0301", ["ete"]),
        ("İstanbul", ["istanbul"]),
        ("हिन्दी", ["हनद"]),
        ("x" * 300, ["x" * 100]),
    ],
)
def test_words_are_folded_runs_of_letters_and_digits(text, expected):
    assert words(text) == expected


def test_folding_a_text_is_folding_its_characters():
    letters = "aÀß ǰİΐŉ한ﷺ１Ⅳ\u0301\u0323e"
    rng = random.Random(3)
    for _ in range(200):
        text = "".join(rng.choices(letters, k=6))
        assert "".join(fold(letter) for letter in text) == fold(text)


def test_query_parts_are_words_prefixes_and_phrases():
    assert parse_text('Foo foo-Bar* "New  York!" "" * "one"') == (
        Clause(("foo",)),
        Clause(("bar",), is_prefix=True),
        Clause(("new", "york")),
        Clause(("one",)),
    )
    assert parse_text('open "quote') == (Clause(("open",)), Clause(("quote",)))


def test_only_plain_words_may_be_misspelled():
    assert [clause.edits for clause in parse_text('ab abc abcdef abcdef* "abcdef abcdef"', is_fuzzy=True)] == [0, 1, 2, 0, 0]
    assert [allowed_edits("x" * length) for length in (1, 2, 3, 5, 6)] == [0, 0, 1, 1, 2]


def test_edit_distance_is_that_of_the_plain_algorithm():
    rng = random.Random(1)
    for _ in range(3000):
        left, right = ("".join(rng.choices("abc", k=rng.randrange(7))) for _ in range(2))
        expected = _distance(left, right)
        for limit in (0, 1, 2, 10):
            found = edit_distance(left, right, limit=limit)
            assert found == expected if expected <= limit else found > limit, (left, right, limit)


def _distance(left: str, right: str) -> int:
    rows = [[i + j if i * j == 0 else 0 for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            cost = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (left[i - 1] != right[j - 1]))
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                cost = min(cost, rows[i - 2][j - 2] + 1)
            rows[i][j] = cost
    return rows[-1][-1]


def test_relevance_adds_title_and_exactness():
    document = postings([("Boston harbour", True), ("bostom tea party", False)])
    assert relevance(parse_text("boston"), document) == 14
    assert relevance(parse_text("tea"), document) == 2
    assert relevance(parse_text("harb*"), document) == 4
    assert relevance(parse_text("part*"), document) == 0
    assert relevance(parse_text('"tea party" boston'), document) == 16
    assert relevance(parse_text('"harbour bostom"'), document) is None
    assert relevance(parse_text("bostun", is_fuzzy=True), document) == 4
    assert relevance(parse_text("boston missing"), document) is None


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("A <b>Café</b> & bar", "cafe", "A &lt;b&gt;<em>Café</em>&lt;/b&gt; &amp; bar"),
        ("new york, new jersey", '"new jersey"', "new york, <em>new</em> <em>jersey</em>"),
        ("cafe\u0301s", "cafes", "<em>cafe\u0301s</em>"),
        ("Straßen", "strass*", "<em>Straßen</em>"),
        ("nothing", "else", None),
        ("½", "1", "<em>½</em>"),
    ],
)
def test_highlight_marks_whole_words_in_escaped_text(text, query, expected):
    assert highlight(text, parse_text(query)) == expected


def test_highlight_of_a_long_text_is_a_fragment_around_the_first_match():
    found = highlight("a " * 500 + "needle" + " b" * 500, parse_text("needle"))
    assert found is not None
    assert found.startswith("…")
    assert found.endswith("…")
    assert "<em>needle</em>" in found
    assert len(found) < 230


def test_each_match_is_marked_once():
    found = highlight("one one", parse_text("one on*"))
    assert found == "<em>one</em> <em>one</em>"
