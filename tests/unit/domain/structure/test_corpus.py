"""How often the structure of labelled sheets is found, on those that the rules were made with and on those held out."""

import csv

import pytest
from labelled_sheets import CORPUS, LabelledSheet, labelled_sheets

from spice_core.domain.structure import find_structure

FLOORS = {"tuned": 0.9, "held_out": 0.72}
"""Least share of sheets whose boxes are all right; below what is reached, so that a break shows and a single sheet does not."""


@pytest.fixture(scope="module")
def sheets() -> list[LabelledSheet]:
    return list(labelled_sheets())


@pytest.mark.parametrize("part", FLOORS)
def test_boxes_of_most_labelled_sheets_are_right(part: str, sheets: list[LabelledSheet]) -> None:
    chosen = [labelled for labelled in sheets if labelled.part == part]
    missed = [item.name for item in chosen if not item.has_right_boxes(list(find_structure(item.sheet).tables))]
    inexact = [item.name for item in chosen if not item.is_right(list(find_structure(item.sheet).tables))]
    share = 1 - len(missed) / len(chosen)
    print(
        f"{part}: boxes of {len(chosen) - len(missed)} of {len(chosen)} right; with mode and header {len(chosen) - len(inexact)}"
    )
    assert share >= FLOORS[part], f"boxes of {share:.0%} right; missed: {missed}"


def test_every_file_of_the_corpus_names_its_source_and_licence() -> None:
    with (CORPUS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        entries = list(csv.DictReader(file))
    assert {f"{entry['file']}.csv" for entry in entries} == {path.name for path in CORPUS.glob("*.csv")} - {"manifest.csv"}
    assert {f"{entry['file']}.json" for entry in entries} == {path.name for path in CORPUS.glob("*.json")}
    assert all(entry["source"] and entry["licence"] and entry["part"] in FLOORS for entry in entries)
