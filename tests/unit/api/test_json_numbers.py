"""Numbers of requests: what a double does not keep is told from what it keeps, and never stored with other digits."""

import asyncio

import pytest

from spice_api.json_route import strict_json
from spice_api.reading import filters_of
from spice_core.domain.value_numbers import InexactNumber
from spice_core.errors import InvalidInstance, InvalidQuery
from spice_core.services.read_filters import typed_filters
from spice_core.services.settled_graph import read_ontology
from spice_core.services.submit_commands import BulkRow
from tests.write_path import WritePath, a_class, text

AMOUNT = {"name": "amount", "type": "decimal"}
RATIO = {"name": "ratio", "type": "double"}
COUNT = {"name": "count", "type": "integer"}


@pytest.fixture
def path() -> WritePath:
    return WritePath().with_classes(a_class("Item", text("id", primaryKey=True, required=True), AMOUNT, RATIO, COUNT))


@pytest.mark.parametrize(
    "written",
    ["12345678901234567890.12", "0.10000000000000001", "123456789012345678901234567890", "9007199254740993.5", "1e-400"],
)
def test_a_number_that_a_double_does_not_keep_is_inexact(written: str) -> None:
    (found,) = strict_json(b"[%s]" % written.encode())
    assert isinstance(found, InexactNumber)


@pytest.mark.parametrize("written", ["0.1", "12.50", "0.30000000000000004", "1e20", "100000000000000000000", "1e308"])
def test_a_number_that_a_double_keeps_is_a_plain_one(written: str) -> None:
    for spaced in (written, f"{written} , 1234567890123456789"):
        found = strict_json(b"[%s]" % spaced.encode())[0]
        assert type(found) is float
        assert found == float(written)


def test_whole_numbers_of_64_bits_and_long_texts_stay_as_they_are() -> None:
    assert strict_json(b'[18446744073709551615, -9223372036854775808, "12345678901234567890.12"]') == [
        2**64 - 1,
        -(2**63),
        "12345678901234567890.12",
    ]


@pytest.mark.parametrize("written", ["12345678901234567890.12", "0.10000000000000001", "123456789012345678901234567890"])
def test_decimals_with_more_digits_than_a_number_keeps_are_refused_in_every_request(path: WritePath, written: str) -> None:
    data = strict_json(b'{"id": "a", "amount": %s}' % written.encode())
    before = path.log.head("shop")
    with pytest.raises(InvalidInstance, match="as text"):
        path.commands.create_instance("shop", "main", "Item", data)
    with pytest.raises(InvalidInstance) as caught:
        path.commands.bulk("shop", "main", "Item", "create", [BulkRow(data)])
    assert "as text" in caught.value.details["errors"][0]["message"]
    assert path.log.head("shop") == before
    resolved = read_ontology(path.graph.view("shop")).resolve("Item")
    with pytest.raises(InvalidQuery, match="as text"):
        typed_filters(resolved, asyncio.run(filters_of('{"amount": {"gte": ' + written + "}}")))


def test_the_same_digits_as_text_are_kept(path: WritePath) -> None:
    path.commands.create_instance("shop", "main", "Item", strict_json(b'{"id": "a", "amount": "12345678901234567890.12"}'))
    path.settle()
    document = path.document("Item/a")
    assert document is not None
    assert document["amount"] == "12345678901234567890.12"


def test_doubles_take_the_nearest_number_and_integers_none_but_their_own(path: WritePath) -> None:
    path.commands.create_instance("shop", "main", "Item", strict_json(b'{"id": "a", "ratio": 0.10000000000000001}'))
    path.settle()
    document = path.document("Item/a")
    assert document is not None
    assert document["ratio"] == 0.1
    with pytest.raises(InvalidInstance):
        path.commands.create_instance("shop", "main", "Item", strict_json(b'{"id": "b", "count": 9007199254740993.0}'))
