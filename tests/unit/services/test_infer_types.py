"""Types of columns: what is lost, what is ambiguous, and what is not guessed."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_core.adapters.duckdb.table_engine import DuckDBTableEngine
from spice_core.domain.inference import ColumnType, complex_type, plain_type
from spice_core.domain.values import TYPE_NAMES
from spice_core.errors import InvalidInput
from spice_core.ports.table_engine import Dialect
from spice_core.services.infer_types import InferTypes
from tests.data_world import csv_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inference")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[DuckDBTableEngine]:
    found = DuckDBTableEngine(memory="300MB", scratch=folder / "scratch")
    yield found
    found.close()


@pytest.fixture(scope="module")
def infer(engine: DuckDBTableEngine, folder: Path) -> InferTypes:
    return InferTypes(tables=engine, scratch=folder / "scratch")


def table_of(engine: DuckDBTableEngine, folder: Path, columns: dict[str, list[str]]) -> Any:
    path = folder / "x.csv"
    rows = list(zip(*columns.values(), strict=True))
    quoted = [['"' + str(cell).replace('"', '""') + '"' for cell in row] for row in rows]
    path.write_text(csv_of(list(columns), quoted), encoding="utf-8")
    return engine.read_text_table(path, Dialect(",", '"', "utf-8", 0), into=folder / "x.parquet")


def types(engine: DuckDBTableEngine, infer: InferTypes, folder: Path, columns: dict[str, list[str]]) -> dict[str, ColumnType]:
    table = table_of(engine, folder, columns)
    return dict(infer.of_text_table(table.path, table.columns).types)


CASES: dict[str, tuple[list[str], str]] = {
    "zip": (["01234", "98765", "10001"], "string"),
    "quantity": (["0", "1", "1", "0"], "integer"),
    "is_active": (["0", "1", "1", "0"], "boolean"),
    "answer": (["yes", "no", "Yes", "NO"], "boolean"),
    "korean": (["예", "아니오", "예", "예"], "boolean"),
    "german": (["ja", "nein", "ja", "ja"], "boolean"),
    "letters": (["T", "F", "F", "T"], "boolean"),
    "iso": (["2024-01-31T10:00:00.123Z", "2024-02-01T11:12:13.000Z", "2024-02-01T11:12:13.5Z"], "dateTime"),
    "zoned": (["2024-01-31 10:00:00+09:00", "2024-02-01 11:12:13+09:00"], "dateTime"),
    "euro": (["1.234,50", "2,25", "-7,00"], "decimal"),
    "percent": (["12.5%", "7%", "100%"], "decimal"),
    "brackets": (["(12.50)", "3.00", "1,234.00"], "decimal"),
    "grouped": (["1,234", "12,345,678", "7"], "integer"),
    "dollars": (["$1,234.50", "$7.00", "-$3.10"], "decimal"),
    "spaced": (["1 234,5", "12 345,6", "7,8"], "decimal"),
    "scientific": (["1.5e3", "2e-7", "3.25e10"], "double"),
    "huge": (["12345678901234567890", "98765432109876543210"], "string"),
    "day": (["31/01/2024", "05/02/2024", "07/03/2024"], "date"),
    "dotted": (["31.01.2024", "05.02.2024", "07.03.2024"], "date"),
    "month_name": (["31 Jan 2024", "5 Feb 2024", "7 March 2024"], "date"),
    "compact_date": (["20240131", "20240205", "20240307"], "date"),
    "hangul_date": (["2024년 1월 31일", "2024년 2월 5일"], "date"),
    "twelve_hours": (["1/31/2024 1:05 PM", "2/5/2024 11:00 AM"], "dateTime"),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001"], "uuid"),
    "mail": (["ann@example.org", "bob@example.org"], "email"),
    "link": (["https://example.org/a", "http://example.org"], "url"),
    "address": (["10.0.0.1", "::1"], "ip"),
    "clock": (["10:30", "9:05"], "time"),
    "phone": (["+82 10 1234 5678", "+82 10 8765 4321"], "phone"),
    "words": (["alpha", "beta", "gamma"], "string"),
    "mixed": (["1", "two", "3"], "string"),
    "blank": (["", " ", ""], "string"),
}


SCRIPTS: dict[str, tuple[list[str], str]] = {
    "b_fr": (["Oui", "Non"], "boolean"),
    "b_es": (["Sí", "No"], "boolean"),
    "b_pt": (["Sim", "Não"], "boolean"),
    "b_nl": (["ja", "nee"], "boolean"),
    "b_ko2": (["O", "X"], "boolean"),
    "b_ja": (["はい", "いいえ"], "boolean"),
    "b_zh": (["是", "否"], "boolean"),
    "b_zh2": (["有", "无"], "boolean"),
    "b_wahr": (["WAHR", "FALSCH"], "boolean"),
    "b_ru": (["да", "нет"], "boolean"),
    "b_ja2": (["○", "×"], "boolean"),  # noqa: RUF001 - the sign that is written
    "hemisphere": (["S", "N"], "string"),
    "d_ko2": (["2024. 1. 31.", "2024. 2. 5."], "date"),
    "d_ko3": (["2024.01.31(수)", "2024.02.05(월)"], "date"),
    "d_reiwa": (["令和6年1月31日", "令和元年5月1日"], "date"),
    "d_r6": (["R6.1.31", "H31.4.30"], "date"),
    "d_de": (["31. Januar 2024", "5. März 2024"], "date"),
    "d_de2": (["31. Jan. 2024", "5. Dez. 2024"], "date"),
    "d_fr": (["31 janvier 2024", "5 août 2024", "1er mars 2024"], "date"),
    "d_es": (["31 de enero de 2024", "5 de febrero de 2024"], "date"),
    "d_pt": (["31 de janeiro de 2024", "5 de março de 2024"], "date"),
    "d_en2": (["31-Jan-24", "05-Feb-24"], "date"),
    "d_en3": (["Wednesday, 31 January 2024", "Monday, 5 February 2024"], "date"),
    "d_hu": (["2024. január 31.", "2024. február 5."], "date"),
    "d_ru": (["31 января 2024", "5 февраля 2024"], "date"),
    "d_yy": (
        [
            "24-01-01",
            "24-01-04",
            "24-01-07",
            "24-01-10",
            "24-01-13",
            "24-01-16",
            "24-01-19",
            "24-01-22",
            "24-01-25",
            "24-01-28",
            "24-02-01",
            "24-02-04",
            "24-02-07",
            "24-02-10",
            "24-02-13",
            "24-02-16",
            "24-02-19",
            "24-02-22",
            "24-02-25",
            "24-02-28",
            "24-03-01",
            "24-03-04",
            "24-03-07",
            "24-03-10",
            "24-03-13",
            "24-03-16",
            "24-03-19",
            "24-03-22",
            "24-03-25",
            "24-03-28",
        ],
        "date",
    ),
    "d_mixed": (["2024-01-31", "31/01/2024", "5 Feb 2024", "28.02.2024"], "date"),
    "d_full": (["２０２４年１月３１日", "２０２４年２月５日"], "date"),
    "order_date": (["45322", "45323", "45400"], "date"),
    "t_ko": (["2024-01-31 오후 3:05", "2024-02-05 오전 11:00:15"], "dateTime"),
    "t_zh": (["2024年1月31日 15时30分", "2024年2月5日 9时05分"], "dateTime"),
    "t_rfc": (["Wed, 31 Jan 2024 12:30:15 +0100", "Mon, 05 Feb 2024 10:00:00 GMT"], "dateTime"),
    "t_de": (["31.01.2024 12:30", "05.02.2024 08:15"], "dateTime"),
    "t_compact": (["20240131T123000Z", "20240205T101500Z"], "dateTime"),
    "t_mixed": (["2024-01-31 10:00:00", "2024-02-05"], "dateTime"),
    "t_comma": (["2024-01-31 10:00:00,123", "2024-01-31 10:00:01,456"], "dateTime"),
    "pct_de": (["12,5 %", "7,25 %"], "decimal"),
    "swiss": (["1'234.50", "12'345'678.10"], "decimal"),
    "indian": (["1,23,456.50", "12,34,567.25"], "decimal"),
    "nbsp": (["1 234,50", "12 345,75"], "decimal"),
    "thin": (["1\u2009234.5", "12\u2009345.5"], "decimal"),
    "trail": (["12.50-", "3.25"], "decimal"),
    "unim": (["\u221212.5", "3.5"], "decimal"),
    "notphone": (["555-12", "123-45"], "string"),
    "version": (["1.2.3", "1.10.0", "2.0.1"], "string"),
    "ym": (["2024-01", "2024-02"], "string"),
    "score": (["3-1", "2-0", "1-1"], "string"),
    "age18": (["18+", "16+", "12+"], "string"),
    "linestatus": (["O", "F", "F", "O"], "string"),
    "frac": (["1/2", "3/4"], "string"),
    "ratio": (["1:2", "2:3"], "string"),
    "m_mix": (["$5.00", "€6.00", "£7.50"], "string"),
}

FINEST: dict[str, tuple[list[str], str]] = {
    "m_usd": (["$1,234.50", "$7.00", "-$3.10"], "money"),
    "m_eur": (["1.234,50 €", "7,25 €"], "money"),
    "m_won": (["1,000원", "25,300원"], "money"),
    "m_chf": (["CHF 1'234.50", "CHF 7.00"], "money"),
    "m_sek": (["1 234,50 kr", "99,00 kr"], "money"),
    "m_brl": (["R$ 1.234,50", "R$ 7,00"], "money"),
    "m_inr": (["₹1,23,456.00", "₹500.00"], "money"),
    "phone2": (["(212) 555-0123", "(415) 555-2671"], "phone"),
    "fone": (["030 123456", "089 1234567"], "phone"),
    "coord": (["37.5665, 126.9780", "35.1796, 129.0756"], "coordinate"),
    "arr": (['["a","b"]', '["c"]'], "array"),
    "obj": (['{"a":1}', '{"a":2,"b":[1]}'], "object"),
    "addr": (["12 Main Street, Springfield", "450 Fifth Avenue, New York", "1600 Pennsylvania Ave NW"], "address"),
    "addr_ko": (["서울특별시 중구 세종대로 110", "부산광역시 연제구 중앙대로 1001"], "address"),
    "grade": (["A", "B", "C", "A"], "enum"),
}


@pytest.fixture(scope="module")
def inferred_cases(engine: DuckDBTableEngine, infer: InferTypes, folder: Path) -> dict[str, ColumnType]:
    columns = {name: (values * 48)[:48] for name, (values, _) in {**CASES, **SCRIPTS, **FINEST}.items()}
    return types(engine, infer, folder, columns)


@pytest.mark.parametrize("name", [*CASES, *SCRIPTS])
def test_the_type_of_a_column_is_what_a_reader_would_say(inferred_cases: dict[str, ColumnType], name: str):
    found = inferred_cases[name]
    assert (found.type, found.rejected) == ({**CASES, **SCRIPTS}[name][1], 0)
    assert found.type in TYPE_NAMES


@pytest.mark.parametrize("name", FINEST)
def test_the_finest_type_of_a_column_is_told_beside_the_one_it_is_kept_in(inferred_cases: dict[str, ColumnType], name: str):
    found = inferred_cases[name]
    assert complex_type(found) == FINEST[name][1]
    assert found.rejected == 0
    assert plain_type(found) in {"string", "decimal", "integer"}


def test_a_currency_is_named_and_an_open_sign_is_said_to_be_open(engine: DuckDBTableEngine, infer: InferTypes, folder: Path):
    columns = {"yen": ["¥1,000", "¥2,500"] * 12, "euro": ["1.234,50 €", "7,25 €"] * 12, "mixed": ["$5.00", "€6.00"] * 12}
    found = types(engine, infer, folder, columns)
    assert (found["euro"].type, found["euro"].metadata["currencies"]) == ("decimal", ["EUR"])
    assert set(found["yen"].metadata["currencies"]) == {"JPY", "CNY"}
    assert "ambiguous_type_candidates" in found["yen"].risks
    assert "JPY or CNY" in found["yen"].reason
    assert (found["mixed"].type, set(found["mixed"].metadata["currencies"])) == ("string", {"USD", "EUR"})


def test_an_open_order_or_decimal_sign_is_settled_by_the_other_columns(
    engine: DuckDBTableEngine, infer: InferTypes, folder: Path
):
    columns = {
        "booked": [f"{n % 12 + 1:02}/{n % 11 + 1:02}/2024" for n in range(40)],
        "paid": [f"{n % 28 + 1:02}/{n % 11 + 1:02}/2024" for n in range(40)],
        "amount": [f"{n},50" for n in range(40)],
        "visitors": [f"{n + 1}.{n * 7 % 900 + 100}" for n in range(40)],
    }
    found = types(engine, infer, folder, columns)
    assert (found["booked"].reading, found["booked"].is_ambiguous) == ("date_dmy", False)
    assert "the other dates of the table do" in found["booked"].reason
    assert (found["visitors"].type, found["visitors"].reading) == ("integer", "number_eu")


def test_one_unambiguous_day_settles_the_order_of_a_column(engine: DuckDBTableEngine, infer: InferTypes, folder: Path):
    open_column = [f"{n % 12 + 1:02}/{n % 11 + 1:02}/2024" for n in range(5000)]
    found = types(
        engine,
        infer,
        folder,
        {
            "open": open_column,
            "day_first": [*open_column[:4321], "31/01/2024", *open_column[4322:]],
            "month_first": [*open_column[:777], "01/31/2024", *open_column[778:]],
        },
    )
    assert (found["open"].type, found["open"].is_ambiguous, found["open"].alternatives) == ("date", True, ("date_dmy",))
    assert "ambiguous_date_format" in found["open"].risks
    assert found["open"].confidence < found["day_first"].confidence
    assert (found["day_first"].reading, found["day_first"].is_ambiguous) == ("date_dmy", False)
    assert (found["month_first"].reading, found["month_first"].is_ambiguous) == ("date_mdy", False)


def test_one_leading_zero_in_many_rows_keeps_the_column_text(engine: DuckDBTableEngine, infer: InferTypes, folder: Path):
    values = [str(n) for n in range(10_000, 30_000)]
    values[15_000] = "01234"
    assert types(engine, infer, folder, {"code": values, "n": [str(n) for n in range(20_000)]})["code"].type == "string"


def test_null_words_are_null_only_where_they_evidently_are(engine: DuckDBTableEngine, infer: InferTypes, folder: Path):
    numbers = ["1", "NA", "3", "4", "5"] * 4
    found = types(
        engine,
        infer,
        folder,
        {
            "number": numbers,
            "tail": ["N14228", "NA", "N24211", "N619AA", "N804JB"] * 4,
            "country": ["US", "NA", "KR", "DE", "FR"] * 4,
            "missing": ["#N/A", "x1", "x2", "x3", "N/A"] * 4,
            "dashed": ["-", "alpha", "beta", "gamma", "-"] * 4,
        },
    )
    assert found["number"].null_words == ("NA",)
    assert found["tail"].null_words == ("NA",)
    assert found["country"].null_words == ()
    assert set(found["missing"].null_words) == {"#N/A", "N/A"}
    assert found["dashed"].null_words == ("-",)
    alone = types(engine, infer, folder, {"tail": ["N14228", "NA", "N24211", "N619AA", "N804JB"] * 4})
    assert alone["tail"].null_words == ()


def test_no_value_is_lost_silently_whatever_the_column_holds(engine: DuckDBTableEngine, infer: InferTypes, folder: Path):
    generator = random.Random(5)
    pool = ["1", "2.5", "1,234", "1.234,5", "(3)", "4%", "$5", "2024-01-31", "31/01/2024", "yes", "no", "x", "", "NA", "-", "007"]
    columns = {
        f"c{n}": [generator.choice(generator.sample(pool, 3)) if generator.random() < 0.1 else pool[n] for _ in range(60)]
        for n in range(len(pool))
    }
    table = table_of(engine, folder, columns)
    inferred = infer.of_text_table(table.path, table.columns)
    options = {name: entry.options() for name, entry in inferred.types.items()}
    kinds = {name: entry.type for name, entry in inferred.types.items()}
    misfits = engine.cast(table.path, kinds, dialect_of=options, into=folder / "typed.parquet")
    rows = [row for batch in engine.rows(folder / "typed.parquet", [*columns, "__rejects"]) for row in batch]
    lost = 0
    for number, row in enumerate(rows):
        for name, values in columns.items():
            text = values[number].strip()
            if row[name] is None and text and text not in inferred.types[name].null_words:
                assert f'"{name}"' in (row["__rejects"] or "")
                lost += 1
    assert lost == misfits == sum(entry.rejected for entry in inferred.types.values())


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.decimals(min_value=-(10**9), max_value=10**9, places=2), min_size=2, max_size=30), st.sampled_from(["us", "eu"])
)
def test_every_decimal_comes_back_as_it_was_written(
    engine: DuckDBTableEngine, infer: InferTypes, folder: Path, numbers: list[Decimal], style: str
):
    texts = [f"{number:,.2f}" for number in numbers]
    if style == "eu":
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    table = table_of(engine, folder, {"n": texts})
    inferred = infer.of_text_table(table.path, table.columns).types["n"]
    engine.cast(table.path, {"n": inferred.type}, dialect_of={"n": inferred.options()}, into=folder / "typed.parquet")
    found = [row["n"] for batch in engine.rows(folder / "typed.parquet", ["n"]) for row in batch]
    assert [Decimal(value) for value in found] == numbers


@settings(max_examples=12, deadline=None)
@given(
    start=st.integers(0, 20_000),
    count=st.integers(20, 400),
    form=st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d %b %Y"]),
)
def test_every_date_comes_back_as_it_was_written(
    engine: DuckDBTableEngine, infer: InferTypes, folder: Path, start: int, *, count: int, form: str
):
    days = [date(1970, 1, 1) + timedelta(days=start + number) for number in range(count)]
    table = table_of(engine, folder, {"d": [day.strftime(form) for day in days]})
    inferred = infer.of_text_table(table.path, table.columns).types["d"]
    assert not inferred.is_ambiguous
    engine.cast(table.path, {"d": inferred.type}, dialect_of={"d": inferred.options()}, into=folder / "typed.parquet")
    assert [row["d"] for batch in engine.rows(folder / "typed.parquet", ["d"]) for row in batch] == days


def test_a_composite_key_is_found_and_checked_on_every_row(engine: DuckDBTableEngine, infer: InferTypes, folder: Path):
    cells = [(f"2024-01-{n % 28 + 1:02}", f"F{n // 28 % 300}", str(n % 7)) for n in range(8400)]
    columns = {"day": [c[0] for c in cells], "flight": [c[1] for c in cells], "gate": [c[2] for c in cells]}
    table = table_of(engine, folder, columns)
    found = infer.of_text_table(table.path, table.columns)
    typed = folder / "typed.parquet"
    engine.cast(
        table.path,
        {name: entry.type for name, entry in found.types.items()},
        dialect_of={name: entry.options() for name, entry in found.types.items()},
        into=typed,
    )
    assert infer.key_candidates(typed, table.columns, found)[0] == ("day", "flight")


def test_rows_given_as_json_are_analyzed_in_the_shape_of_the_funnel(infer: InferTypes):
    rows = [[1, "ann@example.org", None, True], [2, "bob@example.org", 2.5, False], [3, None, 3.25, True]]
    found = infer.of_rows(["id", "mail", "amount", "flag"], rows)
    first = found["columns"][0]
    assert [column["inferred_type"]["type"] for column in found["columns"]] == ["integer", "string", "decimal", "boolean"]
    assert set(first) >= {
        "column_name",
        "total_count",
        "non_empty_count",
        "sample_values",
        "null_count",
        "unique_count",
        "risk_flags",
    }
    assert found["columns"][2]["null_ratio"] == pytest.approx(1 / 3, abs=1e-5)
    assert found["risk_policy"] == {"stage": "funnel", "suggestion_only": True, "hard_gate": False}
    assert (
        infer.of_rows(["mail"], [["a@b.co"], ["c@d.co"]], include_complex=True)["columns"][0]["inferred_type"]["type"] == "email"
    )
    with pytest.raises(InvalidInput):
        infer.of_rows(["a", "b"], [[1]])


def test_must_hold_26_what_a_user_writes_into_cells_and_headers_is_never_run(
    engine: DuckDBTableEngine, infer: InferTypes, folder: Path
):
    escaped = folder / "escaped.csv"
    evil = f"'); COPY (SELECT 1) TO '{escaped}'; --"
    header = "x'); DROP TABLE y; -- \" || getenv('HOME')".replace('"', '""')
    path = folder / "evil.csv"
    path.write_text(f'"{header}",b\n"{evil}",1\n"=cmd()|x",2\n', encoding="utf-8")
    table = engine.read_text_table(path, engine.sniff(path), into=folder / "evil.parquet")
    found = infer.of_text_table(table.path, table.columns)
    engine.cast(
        table.path,
        {name: entry.type for name, entry in found.types.items()},
        dialect_of={name: entry.options() for name, entry in found.types.items()},
        into=folder / "evil-typed.parquet",
    )
    rows = [row for batch in engine.rows(folder / "evil-typed.parquet", table.columns) for row in batch]
    assert [next(iter(row.values())) for row in rows] == [evil, "=cmd()|x"]
    assert not escaped.exists()
