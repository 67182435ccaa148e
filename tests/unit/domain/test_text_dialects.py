"""Tables that stand below, above or between sentences are found by their own lines."""

import pytest

from spice_core.domain.text_dialects import layouts, parse, table_bounds

PROSE = [
    "The figures in this table were collected by the office, in accordance with the law, from all regions.",
    "Some respondents did not answer; their values are estimated, as described below.",
    "Contact: statistics office, phone 0123, open Monday to Friday",
    "Note that the values of 2019, 2020 and 2021 are provisional",
    "This line has no such marks at all",
    "Sources: census, survey; own calculations",
]


def table(delimiter: str, rows: int) -> list[str]:
    point = "," if delimiter != "," else "."
    lines = [[f"r{row}", f"{row}{point}5", f"2024-01-{row + 1:02}", str(row * 7)] for row in range(rows)]
    return [delimiter.join(cells) for cells in (["region", "value", "day", "units"], *lines)]


def found(lines: list[str]) -> tuple[str, int]:
    sample = "\n".join(lines) + "\n"
    best = layouts(sample)[0]
    rows = [row for row in parse(sample, best.delimiter, best.quote) if any(cell.strip() for cell in row)]
    start, header, columns = table_bounds(rows)
    assert rows[start][0].strip() == "region"
    assert header == start
    return best.delimiter, columns


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize(("above", "below"), [(0, 30), (12, 0), (24, 12), (48, 0)])
def test_a_table_among_sentences_is_found(delimiter: str, above: int, below: int) -> None:
    lines = [*(PROSE * 8)[:above], "", *table(delimiter, 12), "", *(PROSE * 8)[:below]]
    assert found(lines) == (delimiter, 4)


def test_comment_lines_with_commas_do_not_hide_a_table_of_tabs() -> None:
    comments = [f"# The column {number}, as it is called, holds what was measured, in feet" for number in range(40)]
    assert found([*comments, *table("\t", 15)]) == ("\t", 4)


def test_of_two_tables_the_one_with_more_rows_in_a_row_tells_the_width() -> None:
    pairs = [f"key {number},value {number}" for number in range(6)]
    assert found([*pairs, "", *table(",", 20)]) == (",", 4)


def test_sentences_alone_are_no_sure_table() -> None:
    assert all(layout.score < 0.35 for layout in layouts("\n".join(PROSE * 10) + "\n"))
