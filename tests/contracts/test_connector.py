"""The contract of `Connector`, sentence by sentence, on every kind of place."""

from collections.abc import Callable

import pytest
from connector_places import SECRET, Place

from spice_core.errors import Closed, InvalidInput, SourceGone, SourceNotAuthorized, SourceUnavailable
from spice_core.ports.connector import ReadEnd, SourceSpec


@pytest.fixture
def place(place_outside: Place) -> Place:
    return place_outside


ROWS = (("a", "one"), ("b", "two"), ("c", "three"))


def read(place: Place, cursor: str | None = None) -> tuple[list[tuple[object, ...]], ReadEnd, bool]:
    with place.connector.read(place.access, place.spec, cursor) as reading:
        rows = [tuple(row) for batch in reading.batches() for row in batch]
        return sorted(rows, key=str), reading.end(), reading.is_full


def revision(place: Place, end: ReadEnd) -> str | None:
    return place.connector.revision(place.access, place.spec, end.cursor)


def test_a_read_without_a_cursor_is_of_the_whole_source(place: Place):
    place.put(*ROWS)
    rows, _, is_full = read(place)
    assert (rows, is_full) == (list(ROWS), True)


def test_rows_have_a_value_per_column_or_are_cells(place: Place):
    place.put(*ROWS)
    with place.connector.read(place.access, place.spec, None) as reading:
        assert reading.columns is None or [column.name for column in reading.columns] == ["name", "said"]
        assert all(len(row) == 2 for batch in reading.batches() for row in batch)


def test_an_empty_source_has_no_rows(place: Place):
    place.put()
    assert read(place)[0] == []


def test_the_token_of_a_read_is_the_present_one_until_the_source_changes(place: Place):
    place.put(*ROWS)
    end = read(place)[1]
    assert revision(place, end) == end.revision
    place.put(*ROWS, ("d", "four"))
    assert end.revision is None or revision(place, end) != end.revision


def test_a_read_from_a_cursor_brings_all_that_is_new(place: Place):
    place.put(*ROWS)
    end = read(place)[1]
    place.put(*ROWS, ("d", "four"))
    rows, after, is_full = read(place, end.cursor)
    assert ("d", "four") in rows
    assert is_full == (len(rows) == 4)
    assert revision(place, after) == after.revision


def test_what_is_listed_can_be_read_by_its_key(place: Place):
    place.put(*ROWS)
    keys = [found.key for found in place.connector.list_sources(place.access)]
    assert place.spec.key in keys
    assert len(keys) == len(set(keys))
    assert place.connector.prepare_source(place.access.config, place.spec).key == place.spec.key


def test_a_source_that_is_not_there_any_more_is_gone(place: Place):
    place.put(*ROWS)
    end = read(place)[1]
    place.drop()
    with pytest.raises(SourceGone):
        read(place, end.cursor)
    assert place.spec.key not in [found.key for found in place.connector.list_sources(place.access)]


CALLS = [
    lambda place, access: place.connector.check(access),
    lambda place, access: place.connector.list_sources(access),
    lambda place, access: place.connector.read(access, place.spec, None).__enter__(),
]


@pytest.mark.parametrize("call", CALLS, ids=["check", "list", "read"])
def test_refused_credentials_are_not_authorized_and_no_error_tells_a_secret(place: Place, call: Callable[..., object]):
    with pytest.raises(SourceNotAuthorized) as refused:
        call(place, place.refuse())
    assert not refused.value.retryable
    assert SECRET not in f"{refused.value} {refused.value.details} {place.access!r}"


@pytest.mark.parametrize("call", CALLS, ids=["check", "list", "read"])
def test_a_place_that_does_not_answer_is_unavailable_and_may_be_asked_again(place: Place, call: Callable[..., object]):
    place.go_away()
    with pytest.raises(SourceUnavailable) as refused:
        call(place, place.access)
    assert refused.value.retryable
    assert SECRET not in f"{refused.value} {refused.value.details}"


def test_it_says_to_what_it_is_connected(place: Place):
    assert place.connector.check(place.access)


@pytest.mark.parametrize("key", ["", "a.b.c.d/e/f", "\x00"])
def test_a_key_that_cannot_be_is_refused(place: Place, key: str):
    with pytest.raises(InvalidInput):
        place.connector.prepare_source(place.access.config, SourceSpec(key))


def test_prepared_fields_stay_as_they_are_when_they_are_prepared_again(place: Place):
    config, secrets = place.connector.prepare(place.access.config, place.access.secrets)
    assert place.connector.prepare(config, secrets) == (config, secrets)


@pytest.mark.parametrize("call", CALLS, ids=["check", "list", "read"])
def test_a_closed_connector_raises(place: Place, call: Callable[..., object]):
    place.connector.close()
    place.connector.close()
    with pytest.raises(Closed):
        call(place, place.access)
