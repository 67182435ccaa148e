"""The contract of `GraphView`: pages, orders, filters. Each test is a sentence of the port."""

from typing import Any

import pytest
from graph_samples import Writer, node, removal

from spice_core.domain.graph import Direction, NodePage
from spice_core.domain.queries import Filter, Kind, Operator, Sort
from spice_core.errors import (
    BranchNotFound,
    DatabaseNotFound,
    InvalidQuery,
)
from spice_core.ports.graph_store import GraphView


def view(writer: Writer, ref: str = "main") -> GraphView:
    return writer.store.view(writer.database, ref)


def keys(page: NodePage) -> list[str]:
    return [found.key for found in page.nodes]


def found_by(writer: Writer, *filters: Filter) -> list[str]:
    found = keys(view(writer).page(["A"], filters=filters))
    assert view(writer).count(["A"], filters=filters) == len(found)
    return [key.removeprefix("A/") for key in found]


def all_pages(seen: GraphView, class_ids: list[str], limit: int, **query: Any) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = seen.page(class_ids, after=after, limit=limit, **query)
        assert len(page.nodes) <= limit
        found += keys(page)
        after = page.next_after
        if after is None:
            return found


def test_page_is_in_codepoint_order_of_keys(writer: Writer) -> None:
    names = ["a", "B", "\u00e9", "Z", "10", "2", "a b", "\U0001f600", "\uffee"]
    writer.write(*(node(f"A/{name}") for name in names))
    assert keys(view(writer).page(["A"])) == sorted(f"A/{name}" for name in names)


def test_page_holds_nodes_of_the_asked_classes_only(writer: Writer) -> None:
    writer.write(node("A/1"), node("AB/1"), node("A-/1"), node("B/1"), node("C/1"))
    assert keys(view(writer).page(["A"])) == ["A/1"]
    assert keys(view(writer).page(["B", "A", "A"])) == ["A/1", "B/1"]
    assert keys(view(writer).page([])) == []
    assert view(writer).count(["A", "B", "none"]) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_following_next_after_visits_every_node_exactly_once(writer: Writer, limit: int) -> None:
    writer.write(*(node(f"A/{number:02}") for number in range(10)))
    writer.branch("b")
    writer.write(*(removal(f"A/{number:02}") for number in (0, 4, 5, 9)), node("A/05x"), node("B/1"), branch="b")
    expected = ["A/01", "A/02", "A/03", "A/05x", "A/06", "A/07", "A/08", "B/1"]
    assert all_pages(view(writer, "b"), ["A", "B"], limit) == expected


SORTED: dict[Kind, list[Any]] = {
    Kind.TEXT: ["b", "a", "\u00e9", "B", "10", "9", "", None, 5],
    Kind.INTEGER: [10, 9, -1, 2**62, 0, None, "7", "x", 1.5, 3.0],
    Kind.NUMBER: [1.5, 10, 9, -0.25, 1e20, "2.5", None, "x", 1e-7],
    Kind.BOOLEAN: [True, False, None, "true", True],
    Kind.DATE: ["2024-02-01", "2023-12-31", None, "soon", "2024-01-31"],
    Kind.TIMESTAMP: [
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.5Z",
        "2024-01-01T00:00:00.500000Z",
        "2023-12-31T23:59:59.999999Z",
        None,
        "2024-01-01",
    ],
}
ORDERS: dict[Kind, list[Any]] = {
    Kind.TEXT: ["", "10", "9", "B", "a", "b", "\u00e9"],
    Kind.INTEGER: [-1, 0, 1.5, 3.0, "7", 9, 10, 2**62],
    Kind.NUMBER: [-0.25, 1e-7, 1.5, "2.5", 9, 10, 1e20],
    Kind.BOOLEAN: [False, True, True],
    Kind.DATE: ["2023-12-31", "2024-01-31", "2024-02-01"],
    Kind.TIMESTAMP: [
        "2023-12-31T23:59:59.999999Z",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.5Z",
        "2024-01-01T00:00:00.500000Z",
    ],
}


@pytest.mark.parametrize("kind", SORTED)
def test_sort_is_by_kind_nulls_last_both_ways_ties_by_key_in_the_same_direction(writer: Writer, kind: Kind) -> None:
    values = SORTED[kind]
    writer.write(*(node(f"A/{number:02}", {} if value is None else {"x": value}) for number, value in enumerate(values)))
    for is_descending in (False, True):
        sort = Sort("x", kind, is_descending)
        nodes = view(writer).page(["A"], sort=sort).nodes
        known = [found.document["x"] for found in nodes[: len(ORDERS[kind])]]
        assert known == (ORDERS[kind][::-1] if is_descending else ORDERS[kind])
        rest = [found.key for found in nodes[len(ORDERS[kind]) :]]
        assert rest == sorted(rest, reverse=is_descending)
        for limit in (1, 2, 3):
            assert all_pages(view(writer), ["A"], limit, sort=sort) == [found.key for found in nodes]


def test_an_array_has_no_place_in_an_order_and_sorts_as_null(writer: Writer) -> None:
    writer.write(node("A/1", {"x": [1]}), node("A/2", {"x": 2}))
    assert keys(view(writer).page(["A"], sort=Sort("x", Kind.INTEGER))) == ["A/2", "A/1"]


def test_offset_skips_nodes_after_the_mark(writer: Writer) -> None:
    writer.write(*(node(f"A/{number}", {"x": number % 3}) for number in range(9)))
    for sort in (None, Sort("x", Kind.INTEGER, is_descending := True), Sort("x", Kind.INTEGER)):
        whole = keys(view(writer).page(["A"], sort=sort))
        first = view(writer).page(["A"], sort=sort, limit=2)
        assert keys(view(writer).page(["A"], sort=sort, offset=3, limit=2)) == whole[3:5]
        assert keys(view(writer).page(["A"], sort=sort, after=first.next_after, offset=3, limit=2)) == whole[5:7]
        assert keys(view(writer).page(["A"], sort=sort, offset=9)) == []
    assert is_descending


def test_last_page_has_no_next(writer: Writer) -> None:
    writer.write(node("A/1"), node("A/2"))
    assert view(writer).page(["A"], limit=2).next_after is None
    assert view(writer).page(["A"], limit=1).next_after is not None


@pytest.mark.parametrize("after", ["", "x", "bm9wZQ", "W10", "\u00e9", "WyJ4IiwgMSwgMl0"])
def test_after_that_is_no_token_is_refused(writer: Writer, after: str) -> None:
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], after=after)


def test_after_of_another_query_is_refused(writer: Writer) -> None:
    writer.write(node("A/1", {"x": 1}), node("A/2", {"x": 2}))
    after = view(writer).page(["A"], limit=1).next_after
    others: list[dict[str, Any]] = [
        {"class_ids": ["A", "B"]},
        {"class_ids": ["A"], "sort": Sort("x")},
        {"class_ids": ["A"], "filters": [Filter("x", Operator.NOT_NULL)]},
    ]
    for other in others:
        with pytest.raises(InvalidQuery):
            view(writer).page(after=after, **other)


def test_limit_below_one_and_negative_offset_are_refused(writer: Writer) -> None:
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], limit=0)
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], offset=-1)


VALUES: dict[str, Any] = {
    "absent": None,
    "array": [1, "b", None],
    "b": "b",
    "b7": "bb 7",
    "empty": [],
    "false": False,
    "five": 5,
    "fiveish": 5.0,
    "object": {"k": [1, 2.0]},
    "ten": 10,
    "true": True,
    "word": "\u00e9b%_",
}
JSON, INTEGER, NUMBER, TEXT, BOOLEAN = Kind.JSON, Kind.INTEGER, Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN
ALL = set(VALUES)
FILTERS = [
    (Operator.EQ, "b", TEXT, {"array", "b"}),
    (Operator.NE, "b", TEXT, ALL - {"b"}),
    (Operator.GT, "b", TEXT, {"b7", "word"}),
    (Operator.LTE, "bb 7", TEXT, {"array", "b", "b7"}),
    (Operator.IN, ["b", "x"], TEXT, {"array", "b"}),
    (Operator.IN, [], TEXT, set()),
    (Operator.NOT_IN, ["b", "bb 7"], TEXT, ALL - {"b", "b7"}),
    (Operator.NOT_IN, [], TEXT, ALL),
    (Operator.CONTAINS, "b", TEXT, {"array", "b", "b7", "word"}),
    (Operator.CONTAINS, "%", TEXT, {"word"}),
    (Operator.CONTAINS, "b", INTEGER, {"array", "b", "b7", "word"}),
    (Operator.PREFIX, "b", TEXT, {"array", "b", "b7"}),
    (Operator.PREFIX, "\u00e9b%_", TEXT, {"word"}),
    (Operator.EQ, 5, INTEGER, {"five", "fiveish"}),
    (Operator.EQ, "5", NUMBER, {"five", "fiveish"}),
    (Operator.GTE, 5, INTEGER, {"five", "fiveish", "ten"}),
    (Operator.LT, 9, INTEGER, {"array", "five", "fiveish"}),
    (Operator.GT, 1.5, NUMBER, {"five", "fiveish", "ten"}),
    (Operator.NE, 5, NUMBER, ALL - {"five", "fiveish"}),
    (Operator.EQ, True, BOOLEAN, {"true"}),
    (Operator.LT, True, BOOLEAN, {"false"}),
    (Operator.NE, True, BOOLEAN, ALL - {"true"}),
    (Operator.EQ, {"k": [1.0, 2]}, JSON, {"object"}),
    (Operator.IN, [1, True, "b7"], JSON, {"array", "true"}),
    (Operator.NE, 10.0, JSON, ALL - {"ten"}),
    (Operator.IS_NULL, None, JSON, {"absent", "array", "empty"}),
    (Operator.NOT_NULL, None, JSON, ALL - {"absent", "empty"}),
    (Operator.IS_NULL, None, NUMBER, ALL - {"five", "fiveish", "ten"}),
    (Operator.NOT_NULL, None, INTEGER, {"array", "five", "fiveish", "ten"}),
]


@pytest.mark.parametrize(("operator", "value", "kind", "expected"), FILTERS)
def test_filter_compares_by_kind(writer: Writer, operator: Operator, value: Any, kind: Kind, expected: set[str]) -> None:
    writer.write(*(node(f"A/{name}", {} if name == "absent" else {"x": item}) for name, item in VALUES.items()))
    assert set(found_by(writer, Filter("x", operator, value, kind))) == expected


def test_dates_and_timestamps_compare_as_such_and_what_is_none_is_null(writer: Writer) -> None:
    values = ["2024-01-01", "2024-13-01", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.25Z", 20240101]
    writer.write(*(node(f"A/{number}", {"x": value}) for number, value in enumerate(values)))
    assert found_by(writer, Filter("x", Operator.GTE, "2023-01-01", Kind.DATE)) == ["0"]
    assert found_by(writer, Filter("x", Operator.EQ, "2024-01-01T00:00:00.0Z", Kind.TIMESTAMP)) == ["2", "3"]
    assert found_by(writer, Filter("x", Operator.GT, "2024-01-01T00:00:00Z", Kind.TIMESTAMP)) == ["4"]


def test_all_conditions_hold_together(writer: Writer) -> None:
    writer.write(*(node(f"A/{number}", {"x": number, "y": str(number)}) for number in range(5)))
    both = (Filter("x", Operator.GT, 1, Kind.INTEGER), Filter("y", Operator.LT, "4"))
    assert found_by(writer, *both) == ["2", "3"]


@pytest.mark.parametrize(
    "wrong",
    [
        Filter("x", Operator.EQ, None),
        Filter("x", Operator.EQ, 5, Kind.TEXT),
        Filter("x", Operator.GT, "x", Kind.NUMBER),
        Filter("x", Operator.IN, "abc"),
        Filter("x", Operator.IN, 5),
        Filter("x", Operator.IN, [1, None], Kind.INTEGER),
        Filter("x", Operator.GT, {}, Kind.JSON),
        Filter("x", Operator.CONTAINS, 5),
        Filter("x", Operator.EQ, "2024-13-01", Kind.DATE),
    ],
)
def test_filter_that_cannot_be_asked_is_refused(writer: Writer, wrong: Filter) -> None:
    writer.write(node("A/1", links={"to": ["A/1"]}))
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], filters=[wrong])
    with pytest.raises(InvalidQuery):
        view(writer).count(["A"], filters=[wrong])
    with pytest.raises(InvalidQuery):
        view(writer).expand(["A/1"], predicate=None, direction=Direction.OUT, filters=[wrong])


def test_json_has_no_order(writer: Writer) -> None:
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], sort=Sort("x", Kind.JSON))


def test_nul_in_a_question_finds_nothing_or_is_refused_but_never_breaks_the_store(writer: Writer) -> None:
    writer.write(node("A/1", {"x": "a"}))
    assert view(writer).get(["A/\x00", "A/1", "A/\ud800"]).keys() == {"A/1"}
    assert view(writer).expand(["A/\x00"], predicate="\x00", direction=Direction.OUT) == []
    assert keys(view(writer).page(["A\x00"])) == []
    for wrong in (
        Filter("x", Operator.NE, "\x00"),
        Filter("x\x00", Operator.IS_NULL),
        Filter("x", Operator.IN, ["\x00"]),
        Filter("x", Operator.EQ, {"y": ["\x00"]}, Kind.JSON),
    ):
        with pytest.raises(InvalidQuery):
            found_by(writer, wrong)
    with pytest.raises(InvalidQuery):
        view(writer).page(["A"], sort=Sort("\ud800"))
    with pytest.raises(DatabaseNotFound):
        writer.store.view("a\x00")
    with pytest.raises(BranchNotFound):
        view(writer, "a\x00")
