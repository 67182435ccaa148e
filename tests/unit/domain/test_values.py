"""Every type: what it takes, its one kept form, and what it says to the rest."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_core.domain.matching import comparable
from spice_core.domain.queries import Kind
from spice_core.domain.values import TYPE_NAMES, ValueSpec, canonical, spec_json, spec_of, widens
from spice_core.errors import InvalidInstance, InvalidOntology

ENUM = {"constraints": {"enum": ["a", "b"]}}


def spec(name: str, **constraints: Any) -> ValueSpec:
    return spec_of(name, constraints=constraints)


ACCEPTED = [
    ("string", "a\tb\nc 한국", "a\tb\nc 한국"),
    ("integer", 5.0, 5),
    ("integer", -(2**63), -(2**63)),
    ("unsignedLong", 2**64 - 1, 2**64 - 1),
    ("byte", -128, -128),
    ("double", 1, 1.0),
    ("double", -0.0, 0.0),
    ("decimal", "0012.500", "12.5"),
    ("decimal", 1.1, "1.1"),
    ("decimal", "-0.0", "0"),
    ("decimal", "1e3", "1000"),
    ("decimal", Decimal("1E-3"), "0.001"),
    ("money", ".5", "0.5"),
    ("boolean", False, False),
    ("date", "2024-02-29", "2024-02-29"),
    ("date", date(2024, 2, 29), "2024-02-29"),
    ("dateTime", "2013-01-01T10:00:00.250+09:00", "2013-01-01T01:00:00.250000Z"),
    ("dateTime", "2013-01-01 10:00", "2013-01-01T10:00:00Z"),
    ("dateTime", "2013-01-01", "2013-01-01T00:00:00Z"),
    ("dateTime", datetime(2013, 1, 1, 10, tzinfo=UTC), "2013-01-01T10:00:00Z"),
    ("time", "10:30:00", "10:30:00"),
    ("duration", "P1DT2H", "P1DT2H"),
    ("gYear", 2013, "2013"),
    ("gMonthDay", "--02-29", "--02-29"),
    ("anyURI", "urn:isbn:1", "urn:isbn:1"),
    ("url", "https://example.com:8080/a?b=c#d", "https://example.com:8080/a?b=c#d"),
    ("base64Binary", "aGk=", "aGk="),
    ("hexBinary", "0aFF", "0aFF"),
    ("email", "a.b@example.co.kr", "a.b@example.co.kr"),
    ("phone", "+82 2-123-4567", "+82 2-123-4567"),
    ("phone", "(212) 555-0123 x45", "(212) 555-0123 x45"),
    ("uuid", "123E4567E89B12D3A456426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    ("ip", "2001:0db8::0001", "2001:db8::1"),
    ("coordinate", "37.5, 127", {"lat": 37.5, "lon": 127.0}),
    ("geopoint", {"type": "Point", "coordinates": [127, 37.5]}, {"lat": 37.5, "lon": 127.0}),
    ("geoshape", {"type": "Point", "coordinates": [1, 2]}, {"type": "Point", "coordinates": [1, 2]}),
    ("object", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ("vector", [1, 2.5], [1.0, 2.5]),
    ("address", {"city": "Seoul"}, {"city": "Seoul"}),
    ("file", "s3://bucket/key", "s3://bucket/key"),
]
REFUSED = [
    ("string", 5),
    ("string", "a\x00b"),
    ("string", "\ud800"),
    ("string", "x" * 1_000_001),
    ("integer", True),
    ("integer", "5"),
    ("integer", 5.5),
    ("integer", 2**63),
    ("short", 40_000),
    ("unsignedByte", -1),
    ("double", "1.5"),
    ("double", float("nan")),
    ("double", 10**400),
    ("float", 1e300),
    ("decimal", "1,5"),
    ("decimal", "NaN"),
    ("decimal", "1e999"),
    ("decimal", True),
    ("boolean", 1),
    ("boolean", "true"),
    ("date", "2023-02-29"),
    ("date", "2023-2-9"),
    ("date", "20230209"),
    ("dateTime", "yesterday"),
    ("dateTime", "2013-13-01T00:00:00Z"),
    ("dateTime", "2013-01-01T10:00:00.1234567Z"),
    ("dateTime", "0001-01-01T00:00:00+09:00"),
    ("time", "25:00:00"),
    ("duration", "P"),
    ("gMonth", "--13"),
    ("anyURI", "a b"),
    ("url", "javascript:alert(1)"),
    ("url", "http://[::1"),
    ("base64Binary", "not base64"),
    ("hexBinary", "abc"),
    ("email", "nobody"),
    ("phone", "call me"),
    ("uuid", "123"),
    ("ip", "999.1.1.1"),
    ("coordinate", "200,10"),
    ("coordinate", [37.5, 127]),
    ("coordinate", {"lat": 1, "lon": 2, "alt": 3}),
    ("geoshape", {"type": "Circle"}),
    ("object", []),
    ("object", {"a": float("inf")}),
    ("object", {"a": "\x00"}),
    ("vector", ["a"]),
    ("array", "abc"),
]


@pytest.mark.parametrize(("name", "value", "kept"), ACCEPTED)
def test_accepted_values_have_one_kept_form(name: str, value: Any, kept: Any) -> None:
    found = canonical(value, spec_of(name), field="f")
    assert found == kept
    assert type(found) is type(kept)
    assert canonical(found, spec_of(name), field="f") == kept


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_values_name_the_field_and_what_is_accepted(name: str, value: Any) -> None:
    with pytest.raises(InvalidInstance, match=r"^height (must|holds)") as caught:
        canonical(value, spec_of(name), field="height")
    assert caught.value.details["errors"][0]["field"] == "height"


def test_json_is_bounded_in_depth_and_size() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = {"a": deep}
    for value, message in (({"a": deep}, "levels deep"), ({"a": list(range(20_000))}, "at most 10000 values")):
        with pytest.raises(InvalidInstance, match=message):
            canonical(value, spec_of("object"), field="f")


def test_items_of_an_array_are_read_and_named() -> None:
    tags = spec_of("array", items={"type": "integer"}, constraints={"maxItems": 2, "uniqueItems": True})
    assert canonical([1, 2.0], tags, field="f") == [1, 2]
    for value, message in (([1, "x"], r"\[1\] must be a whole number"), ([1, 2, 3], "at most 2 items"), ([1, 1], "repeat")):
        with pytest.raises(InvalidInstance, match=message):
            canonical(value, tags, field="f")
    assert (tags.kind, tags.is_array) == (Kind.INTEGER, True)


@pytest.mark.parametrize(
    ("name", "constraints", "good", "bad"),
    [
        ("integer", {"min": 0, "max": 5}, 5, 6),
        ("decimal", {"exclusiveMin": "0.5"}, "0.51", "0.5"),
        ("date", {"min": "2020-01-01"}, "2020-01-01", "2019-12-31"),
        ("dateTime", {"max": "2020-01-01T00:00:00Z"}, "2019-12-31T23:59:59.5Z", "2020-01-01T00:00:00.5Z"),
        ("string", {"minLength": 2, "maxLength": 3}, "ab", "a"),
        ("string", {"pattern": "[A-Z]{2}[0-9]+"}, "AB12", "xAB12"),
        ("string", {"enum": ["x", "y"]}, "x", "z"),
        ("integer", {"enum": [1, 2]}, 2, 3),
        ("enum", {"values": ["x"]}, "x", "y"),
        ("vector", {"dimensions": 2}, [1, 2], [1]),
    ],
)
def test_constraints_hold(name: str, constraints: dict[str, Any], good: Any, bad: Any) -> None:
    held = spec(name, **constraints)
    canonical(good, held, field="f")
    with pytest.raises(InvalidInstance):
        canonical(bad, held, field="f")
    assert spec_of(name, constraints=spec_json(held)["constraints"]) == held


@pytest.mark.parametrize(
    ("name", "constraints"),
    [
        ("string", {"min": 1}),
        ("integer", {"pattern": "x"}),
        ("string", {"colour": "red"}),
        ("integer", {"min": 5, "max": 1}),
        ("date", {"min": "soon"}),
        ("string", {"maxLength": -1}),
        ("enum", {}),
        ("string", {"enum": []}),
        ("string", {"pattern": "("}),
        ("string", {"pattern": "(a+)+$"}),
        ("string", {"pattern": "(a|a)*b"}),
        ("string", {"pattern": "(?=a)"}),
        ("string", {"pattern": "a?" * 60}),
        ("nonsense", {}),
    ],
)
def test_specs_that_cannot_hold_are_refused(name: str, constraints: dict[str, Any]) -> None:
    with pytest.raises(InvalidOntology):
        spec(name, **constraints)


@pytest.mark.parametrize("written", ["[a-z]+@[a-z]+[.][a-z]+", ".*x.*y.*", r"(\d{1,3}[.]){3}\d{1,3}", "a*" * 6])
def test_a_pattern_bounds_the_text_it_meets(written: str) -> None:
    held = spec("string", pattern=written)
    assert held.constraints.pattern is not None
    longest = held.constraints.pattern.max_text
    with pytest.raises(InvalidInstance):
        canonical("a" * longest + "!", held, field="f")
    with pytest.raises(InvalidInstance):
        canonical("a" * (longest - 1) + "!", held, field="f")


def test_every_type_has_a_kind_that_reads_its_kept_values() -> None:
    for name, value, kept in ACCEPTED:
        held = spec_of(name)
        if name not in {"array", "address", "file"}:
            assert comparable(canonical(value, held, field="f"), held.kind) is not None, (name, kept)
    assert {name for name, _, _ in ACCEPTED} | {"array"} <= TYPE_NAMES


def test_a_type_widens_where_every_kept_value_stays_valid() -> None:
    kept = {name: canonical(value, spec_of(name), field="f") for name, value, _ in ACCEPTED}
    names = sorted(kept)
    for old in names:
        for new in names:
            if widens(spec_of(old), spec_of(new)):
                canonical(kept[old], spec_of(new), field="f")
    assert widens(spec_of("short"), spec_of("long"))
    assert not widens(spec_of("long"), spec_of("short"))
    assert not widens(spec_of("string"), spec_of("email"))
    assert widens(spec("string", maxLength=3), spec("string", maxLength=5))
    assert not widens(spec_of("string"), spec("string", maxLength=5))
    assert not widens(spec("integer", min=0), spec("integer", min=1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(sorted(TYPE_NAMES - {"enum"})), json_values)
def test_any_json_is_kept_in_one_storable_form_or_refused(name: str, value: Any) -> None:
    held = spec_of(name)
    try:
        found = canonical(value, held, field="f")
    except InvalidInstance:
        return
    assert canonical(found, held, field="f") == found
    assert orjson.loads(orjson.dumps(found)) == found


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6), st.decimals(allow_nan=False, allow_infinity=False))
def test_equal_decimals_have_one_text(value: Decimal, other: Decimal) -> None:
    held = spec_of("decimal")
    try:
        left, right = canonical(value, held, field="f"), canonical(other, held, field="f")
    except InvalidInstance:
        return
    assert (left == right) == (value == other)
    assert Decimal(left) == value


@given(st.datetimes(timezones=st.timezones()))
def test_moments_keep_their_order_as_text(moment: datetime) -> None:
    try:
        found = canonical(moment.isoformat(), spec_of("dateTime"), field="f")
    except InvalidInstance:
        return
    assert datetime.fromisoformat(found) == moment.astimezone(UTC).replace(fold=0)
