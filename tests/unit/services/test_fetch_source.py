"""Cells of a sheet as CSV: what is written is read back as the same rows."""

import csv
from pathlib import Path

from spice_core.services.fetch_source import write_cells


def test_rows_are_as_wide_as_the_widest_and_plain_cells_are_not_quoted(tmp_path: Path):
    path, count = write_cells([[["id", "note"], ["1"]], [[], ["2", "a,b", 3]]], tmp_path)
    assert (path.read_bytes(), count) == (b'id,note,\n1,,\n,,\n2,"a,b",3\n', 4)


def test_a_line_break_in_a_cell_makes_no_row_whichever_it_is(tmp_path: Path):
    rows = [["id", "note"], ["1", "a\rb"], ["2", "a\r\nb"], ["3", "a\nb"], ["4", "\r"], ["5\r\n", "\r\n"]]
    path, count = write_cells([rows], tmp_path)
    with path.open(newline="") as file:
        assert (list(csv.reader(file)), count) == (rows, 6)
