"""A workbook as people keep them, made of the demo's flights: titles, two tables on one sheet, headers of two rows, footnotes.

Its numbers have decimal commas, its dates are written in three ways, and a new month is appended below the old ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import xlsxwriter  # type: ignore[import-untyped]

from spice_api.cli.tour.tables import rows_of
from spice_core.services.demo_flights import demo_tables

SHEET = "Carriers"
FILENAME = "carrier report.xlsx"
_YEAR = 2013


@dataclass(frozen=True, slots=True)
class CarrierMonth:
    """One row of the report: what a carrier flew from New York in a month. A mean is None where nothing departed."""

    carrier: str
    month: int
    departed: int
    cancelled: int
    mean_delay: float | None
    last_departure: date | None

    @property
    def period(self) -> str:
        """The month as the report writes it."""
        return f"{_YEAR}-{self.month:02d}"


@dataclass(slots=True)
class _Sum:
    departed: int = 0
    cancelled: int = 0
    delay: int = 0
    last: date | None = None


def carrier_months(months: Sequence[int]) -> list[CarrierMonth]:
    """Count the flights of `months` by month and carrier, in this order."""
    sums: dict[tuple[int, str], _Sum] = {}
    for row in _flights(months):
        found = sums.setdefault((int(row["month"]), row["carrier"]), _Sum())
        if row["dep_delay"] in {"", "NA"}:
            found.cancelled += 1
            continue
        found.departed += 1
        found.delay += int(float(row["dep_delay"]))
        day = date(_YEAR, int(row["month"]), int(row["day"]))
        found.last = max(found.last or day, day)
    return [
        CarrierMonth(
            carrier,
            month,
            total.departed,
            total.cancelled,
            round(total.delay / total.departed, 2) if total.departed else None,
            total.last,
        )
        for (month, carrier), total in sorted(sums.items())
    ]


def write_workbook(path: Path, rows: Sequence[CarrierMonth]) -> None:
    """Write the report of `rows` as an Excel workbook."""
    book = xlsxwriter.Workbook(path, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    try:
        sheet = book.add_worksheet(SHEET)
        head = book.add_format({"bold": True, "align": "center", "bottom": 1})
        sheet.write(0, 0, "Departures from New York by carrier and month", book.add_format({"bold": True, "font_size": 14}))
        sheet.write(1, 0, "Figures are provisional. Delays in minutes.")
        for column, title in ((0, "Carrier"), (1, "Month"), (5, "Last departure")):
            sheet.merge_range(3, column, 4, column, title, head)
        sheet.merge_range(3, 2, 3, 3, "Flights", head)
        sheet.write_row(4, 2, ["departed", "cancelled"], head)
        sheet.write(3, 4, "Delay", head)
        sheet.write(4, 4, "mean", head)
        for number, row in enumerate(rows):
            last = _as_written(row.last_departure, number)
            cells = [row.carrier, row.period, row.departed, row.cancelled, _decimal(row.mean_delay), last]
            sheet.write_row(5 + number, 0, cells)
        line = 5 + len(rows)
        sheet.write(line + 1, 0, "* Cancelled flights have no delay.")
        sheet.write(line + 2, 0, "Source: Bureau of Transportation Statistics.")
        _write_totals(sheet, line + 5, rows, head)
    finally:
        book.close()


def _write_totals(sheet: "xlsxwriter.worksheet.Worksheet", line: int, rows: Sequence[CarrierMonth], head: object) -> None:
    """A second table below the first: one row per month."""
    sheet.write_row(line, 0, ["Period", "Carriers", "Departures"], head)
    months: dict[str, list[CarrierMonth]] = {}
    for row in rows:
        months.setdefault(row.period, []).append(row)
    for number, (period, members) in enumerate(months.items(), start=1):
        sheet.write_row(line + number, 0, [period, len(members), sum(member.departed for member in members)])


def _as_written(day: date | None, number: int) -> date | str | None:
    """Return a date as a date, as German text, or as ISO text, in turn."""
    if day is None or number % 3 == 0:
        return day
    return f"{day:%d.%m.%Y}" if number % 3 == 1 else day.isoformat()


def _decimal(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}".replace(".", ",")


def _flights(months: Sequence[int]) -> Iterator[Mapping[str, str]]:
    flights = next(table for table in demo_tables(months) if table.name == "flights")
    yield from rows_of(flights)
