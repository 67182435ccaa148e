"""A person's word on a column overrules what its values look like."""

from pathlib import Path
from typing import Any

import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.domain.corrections import ColumnCorrection, correction_of_json
from spice_core.errors import InvalidInput
from spice_core.ports.table_engine import Dialect
from spice_core.services.infer_types import InferredTable, InferTypes

ROWS = [(f"{n:03}", f"{n % 12 + 1:02}/{n % 11 + 1:02}/2024", f"{n},5", "yes" if n % 4 else "maybe", f"x{n}") for n in range(40)]


class Table:
    """One text table, typed with corrections."""

    def __init__(self, folder: Path) -> None:
        self.engine = DuckDBTableEngine(memory="300MB", scratch=folder / "scratch")
        source = folder / "rows.csv"
        source.write_text("code;day;amount;flag;note\n" + "\n".join(";".join(row) for row in ROWS), encoding="utf-8")
        self.text = self.engine.read_text_table(source, Dialect(";", '"', "utf-8", 0), into=folder / "text.parquet")
        self.infer = InferTypes(tables=self.engine, scratch=folder / "scratch")
        self.typed = folder / "typed.parquet"

    def inferred(self, *corrections: ColumnCorrection, **options: Any) -> InferredTable:
        return self.infer.of_text_table(self.text.path, self.text.columns, corrections=corrections, **options)

    def cast(self, found: InferredTable) -> tuple[int, list[dict[str, Any]]]:
        misfits = self.engine.cast(self.text.path, found.kinds, dialect_of=found.options, into=self.typed)
        rows = [dict(row) for batch in self.engine.rows(self.typed, [*found.names.values(), "__rejects"]) for row in batch]
        return misfits, rows


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table(tmp_path_factory.mktemp("corrections"))


def test_a_corrected_type_overrules_the_evidence_and_says_so(table: Table):
    assert table.inferred().types["code"].type == "string"
    found = table.inferred(ColumnCorrection("code", type="integer")).types["code"]
    assert (found.type, found.reading, found.rejected, found.confidence) == ("integer", "number_us", 0, 1.0)
    assert "a person said so (type); 40 of 40 values fit" in found.reason


def test_a_date_order_that_nothing_settled_is_settled_by_a_person(table: Table):
    before = table.inferred().types["day"]
    assert (before.reading, before.is_ambiguous) == ("date_mdy", True)
    found = table.inferred(ColumnCorrection("day", date_order="dmy"))
    assert (found.types["day"].type, found.types["day"].reading, found.types["day"].is_ambiguous) == ("date", "date_dmy", False)
    _, rows = table.cast(found)
    assert [row["day"].isoformat() for row in rows[:2]] == ["2024-01-01", "2024-02-02"]
    assert rows[12]["day"].isoformat() == "2024-02-01"


def test_values_that_do_not_fit_a_correction_are_counted_and_kept_as_text(table: Table):
    found = table.inferred(ColumnCorrection("note", type="date"), ColumnCorrection("flag", type="boolean"))
    assert (found.types["note"].rejected, found.types["flag"].rejected) == (40, 10)
    misfits, rows = table.cast(found)
    assert misfits == 50
    assert rows[0]["note"] is None
    assert '"note":"x0"' in rows[0]["__rejects"]
    assert found.nulls("flag") == 10


def test_null_words_scale_and_name_are_taken_as_said(table: Table):
    found = table.inferred(
        ColumnCorrection("flag", type="boolean", null_words=("Maybe",)), ColumnCorrection("amount", scale=3, name="price")
    )
    assert found.types["flag"].rejected == 0
    assert found.names["amount"] == "price"
    misfits, rows = table.cast(found)
    assert (misfits, rows[0]["flag"], rows[1]["flag"], rows[1]["__rejects"]) == (0, None, True, None)
    assert str(rows[7]["price"]) == "7.500"


def test_a_correction_of_a_column_that_is_gone_is_left_out(table: Table):
    assert table.inferred(ColumnCorrection("gone", type="integer")).types == table.inferred().types


def test_types_that_a_source_states_are_kept(table: Table):
    found = table.inferred(stated={"code": "integer", "note": "string"})
    assert (found.types["code"].type, found.types["code"].reason, found.types["code"].rejected) == (
        "integer",
        "the source states it",
        0,
    )
    assert found.types["amount"].type == "decimal"


def test_corrections_that_contradict_each_other_are_refused(table: Table):
    with pytest.raises(InvalidInput, match="twice"):
        table.inferred(ColumnCorrection("code", type="string"), ColumnCorrection("code", type="integer"))
    with pytest.raises(InvalidInput, match="would be called"):
        table.inferred(ColumnCorrection("code", name="NOTE"))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"column": ""},
        {"column": "a", "type": "struct"},
        {"column": "a", "type": 5},
        {"column": "a", "reading": "nothing"},
        {"column": "a", "type": "date", "reading": "number_us"},
        {"column": "a", "date_order": "ydm"},
        {"column": "a", "scale": 19},
        {"column": "a", "scale": True},
        {"column": "a", "name": "__row"},
        {"column": "a", "null_words": "NA"},
        {"column": "a", "other": 1},
    ],
)
def test_a_correction_that_nobody_can_follow_is_refused(body: dict[str, Any]):
    with pytest.raises(InvalidInput):
        correction_of_json(body)


def test_a_correction_is_the_same_after_json():
    given = ColumnCorrection("a", type="date", null_words=("NA", "-"), date_order="dmy", name="b")
    assert correction_of_json(given.as_json()) == given
    assert correction_of_json(ColumnCorrection("a", null_words=()).as_json()).null_words == ()
