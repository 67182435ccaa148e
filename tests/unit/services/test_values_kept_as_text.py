"""Values that a narrower type would lose stay text."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.domain.inference import ColumnType
from spice_core.ports.table_engine import Dialect
from spice_core.services.infer_types import InferTypes


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBTableEngine]:
    found = DuckDBTableEngine(memory="300MB", scratch=tmp_path / "scratch")
    yield found
    found.close()


def inferred(engine: DuckDBTableEngine, folder: Path, values: list[str]) -> ColumnType:
    path = folder / "values.csv"
    path.write_text("\n".join(["v,n", *(f'"{value}",{number}' for number, value in enumerate(values)), ""]), encoding="utf-8")
    table = engine.read_text_table(path, Dialect(",", '"', "utf-8", 0), into=folder / "values.parquet")
    return InferTypes(tables=engine, scratch=folder / "scratch").of_text_table(table.path, table.columns).types["v"]


@pytest.mark.parametrize("count", [20, 30_000])
@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        ("{n:018d}", "string"),
        ("{n:016d}", "string"),
        ("{n:015d}", "double"),
        ("{n:012d}.123456", "string"),
        ("{n:012d}.12345", "double"),
        ("{n:018d}.25", "string"),
        ("0.12345678901234{n:03d}", "double"),
        ("0.50000000000000000000", "double"),
    ],
)
def test_one_exponent_makes_no_double_of_numbers_that_it_cannot_hold(
    engine: DuckDBTableEngine, tmp_path: Path, plain: str, kind: str, count: int
) -> None:
    width = int(plain.partition("{n:0")[2].partition("d}")[0] or 1)
    first = 10 ** (width - 1) if plain.startswith("{n") else 100
    values = [plain.format(n=first + n % 800) for n in range(count)]
    found = inferred(engine, tmp_path, [*values, "1.23456789012346E+17"])
    assert found.type == kind
    assert ("a double cannot hold" in found.reason) == (kind == "string")


def test_long_whole_numbers_without_an_exponent_are_integers(engine: DuckDBTableEngine, tmp_path: Path) -> None:
    assert inferred(engine, tmp_path, [str(10**17 + n) for n in range(20)]).type == "integer"


def test_amounts_in_several_currencies_are_kept_however_few_name_one(engine: DuckDBTableEngine, tmp_path: Path) -> None:
    mixed = inferred(engine, tmp_path, ["€ 5", "$ 5", *["7"] * 18])
    assert (mixed.type, mixed.metadata["currencies"]) == ("string", ["EUR", "USD"])
    one = inferred(engine, tmp_path, ["€ 5", "€ 6", *["7"] * 18])
    assert (one.type, one.semantic) == ("integer", None)


def test_a_first_name_is_no_missing_time(engine: DuckDBTableEngine, tmp_path: Path) -> None:
    assert inferred(engine, tmp_path, ["Nat", "Ann", "Bob", "Eve"]).null_words == ()
    assert inferred(engine, tmp_path, ["NaT", "Ann", "Bob", "Eve"]).null_words == ("NaT",)
