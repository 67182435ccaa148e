"""Column types, key candidates and references of tables, measured with the table engine."""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spice_core.domain.corrections import ColumnCorrection, apply_corrections, readings_asked
from spice_core.domain.inference import STATED_TYPES, ColumnType, complex_type, infer_types, plain_type, stated_readings
from spice_core.domain.key_candidates import composite_keys, rank, single_keys
from spice_core.domain.text_dialects import unique_names
from spice_core.errors import InvalidInput
from spice_core.ports.table_engine import Dialect, TableEngine

_SAMPLED_ROWS = 5000
_FIRST_ROWS = 300
_EXACT_CHECKS = 12
_KEPT_CANDIDATES = 5
_SAMPLES = 10
_MOST_ROWS = 100_000
_RISK_TEXT = {
    "no_sample_rows": "there are no rows to learn from",
    "all_values_empty": "the column has no values",
    "sample_size_low": "few values: the type is a guess",
    "low_confidence_type": "the type is not sure",
    "high_null_ratio": "half of the values or more are missing",
    "moderate_null_ratio": "a fifth of the values or more are missing",
    "ambiguous_date_format": "no value settles the order of day and month",
    "ambiguous_type_candidates": "another notation of numbers fits as well",
    "mixed_numeric_values": "numbers and other values are mixed",
    "fuzzy_datetime_matches": "dates are written in several ways, or only some values are dates",
    "values_do_not_fit": "some values do not fit the type and are kept as text beside the table",
    "normalized_name_collision": "two columns have the same name but for case or space",
    "key_candidate_not_unique": "the name says key, the values repeat",
}


@dataclass(frozen=True, slots=True)
class InferredTable:
    """The types of a text table, with the evidence they rest on."""

    types: Mapping[str, ColumnType]
    evidence: Mapping[str, Mapping[str, Any]]

    @property
    def kinds(self) -> dict[str, str]:
        """The type of each column of the text table: what `TableEngine.cast` takes."""
        return {column: entry.type for column, entry in self.types.items()}

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """How each column is written and what it is called in the typed table: `dialect_of` of `TableEngine.cast`."""
        return {
            column: entry.options() | ({"name": entry.name} if entry.name != column else {})
            for column, entry in self.types.items()
        }

    @property
    def names(self) -> dict[str, str]:
        """What each column of the text table is called in the typed table."""
        return {column: entry.name for column, entry in self.types.items()}

    def nulls(self, column: str) -> int:
        """Return how many values of `column` will be null: empty, a word for nothing, or not fitting."""
        facts, found = self.evidence[column], self.types[column]
        words = sum(facts["null_words"].get(word, 0) for word in found.null_words)
        return int(facts["empty"]) + int(words) + found.rejected


class InferTypes:
    """Types and keys of tables; suggestions, never a gate."""

    def __init__(self, *, tables: TableEngine, scratch: Path) -> None:
        """Use `tables`; small tables pass through files in `scratch`."""
        self._tables = tables
        self._scratch = scratch

    def of_text_table(
        self,
        table: Path,
        columns: Sequence[str],
        *,
        corrections: Sequence[ColumnCorrection] = (),
        stated: Mapping[str, str] = MappingProxyType({}),
    ) -> InferredTable:
        """Return the types of a text table in Parquet; what people said overrules what the source states, and that the evidence.

        `stated` are the types by column that the source itself gives. Raises `InvalidInput` as `apply_corrections`.
        """
        own = {column: kind for column, kind in stated.items() if kind in STATED_TYPES}
        asked: dict[str, tuple[str, ...]] = readings_asked(corrections)
        for column, kind in own.items():
            asked[column] = (*asked.get(column, ()), *stated_readings(kind))
        evidence = self._tables.profile(table, columns, asked=asked)
        types = infer_types(evidence, stated=own)
        return InferredTable(apply_corrections(types, corrections, evidence=evidence), evidence)

    def of_rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, include_complex: bool = False) -> dict[str, Any]:
        """Analyze rows given as JSON values; return the funnel's answer: columns, risk_summary, risk_policy.

        Raises:
            InvalidInput: a row has another number of values than there are columns, or there are too many rows.
        """
        if not columns or len(rows) > _MOST_ROWS:
            raise InvalidInput(f"give columns, and at most {_MOST_ROWS} rows")
        for number, row in enumerate(rows):
            if len(row) != len(columns):
                raise InvalidInput(f"row {number} has {len(row)} values, not {len(columns)}", details={"row": number})
        names, changes = unique_names(columns)
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            source, table = Path(folder) / "rows.csv", Path(folder) / "rows.parquet"
            with source.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, quoting=csv.QUOTE_ALL)
                writer.writerow(names)
                writer.writerows([_cell(value) for value in row] for row in rows)
            read = self._tables.read_text_table(source, Dialect(",", '"', "utf-8", 0), into=table)
            found = self.of_text_table(table, read.columns)
        reports = [column_report(found, name, include_complex=include_complex) for name in names]
        if changes:
            reports[0]["risk_flags"].append(_risk("normalized_name_collision"))
        risks = [flag for report in reports for flag in report["risk_flags"]]
        return {
            "columns": reports,
            "risk_summary": [{"column": report["column_name"], **flag} for report in reports for flag in report["risk_flags"]],
            "risk_count": len(risks),
            "risk_policy": {"stage": "funnel", "suggestion_only": True, "hard_gate": False},
        }

    def key_candidates(self, table: Path, columns: Sequence[str], found: InferredTable) -> list[tuple[str, ...]]:
        """Return up to five column lists that identify every row of the typed `table`, best first.

        Single columns are checked exactly. Where none is unique, pairs and triples are tried on the first rows, the
        survivors exactly.
        """
        types = {name: entry.type for name, entry in found.types.items()}
        nulls = {name: found.nulls(name) for name in columns}
        singles: list[tuple[str, ...]] = [(name,) for name in single_keys(columns, types, found.evidence, nulls)]
        unique = self._unique(table, singles)
        if unique or not columns:
            return unique
        possible = list(composite_keys(columns, types, found.evidence, nulls))
        sample = self._first_values(table, sorted({name for names in possible for name in names}))
        survivors: list[tuple[str, ...]] = []
        for names in possible:
            is_minimal = not any(set(known) < set(names) for known in survivors)
            if is_minimal and _are_distinct([sample[name] for name in names]):
                survivors.append(names)
        survivors.sort(key=lambda names: rank(names, types, columns))
        return self._unique(table, survivors)

    def _unique(self, table: Path, candidates: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        if not candidates:
            return []
        return [tuple(names) for names in self._tables.unique_keys(table, candidates[:_EXACT_CHECKS], most=_KEPT_CANDIDATES)]

    def _first_values(self, table: Path, columns: Sequence[str]) -> dict[str, list[Any]]:
        if not columns:
            return {}
        rows = [row for batch in self._tables.rows(table, columns, limit=_SAMPLED_ROWS) for row in batch]
        return {name: [row[name] for row in rows] for name in columns}


def _are_distinct(columns: Sequence[Sequence[Any]]) -> bool:
    """Whether no row of values repeats; the first ones tell of most that do."""
    for most in (_FIRST_ROWS, 4 * _FIRST_ROWS, len(columns[0])):
        rows = list(zip(*(column[:most] for column in columns), strict=True))
        if len(set(rows)) != len(rows):
            return False
    return True


def column_report(found: InferredTable, name: str, *, include_complex: bool | None = None) -> dict[str, Any]:
    """Return what is known of one column as JSON: type with confidence and reason, counts, samples, risks.

    The type is the one that the table is kept in; with `include_complex` the finest that is known, without it a plain one.
    """
    entry, facts = found.types[name], found.evidence[name]
    if include_complex is not None:
        finest = complex_type(entry)
        finer = {"semantic": finest} if finest != plain_type(entry) else {}
        entry = replace(entry, type=finest if include_complex else plain_type(entry), metadata={**entry.metadata, **finer})
    total, nulls = int(facts["total"]), found.nulls(name)
    values = [value for value, _ in facts["values"] if value not in entry.null_words]
    metadata = {**entry.metadata, **entry.options(), "alternatives": list(entry.alternatives), "ambiguous": entry.is_ambiguous}
    return {
        "column_name": entry.name,
        "inferred_type": {"type": entry.type, "confidence": entry.confidence, "reason": entry.reason, "metadata": metadata},
        "total_count": total,
        "non_empty_count": total - int(facts["empty"]),
        "sample_values": values[:_SAMPLES],
        "null_count": nulls,
        "unique_count": int(facts["distinct"]),
        "null_ratio": round(nulls / total, 6) if total else 0.0,
        "unique_ratio": round(int(facts["distinct"]) / total, 6) if total else 0.0,
        "rejected_count": entry.rejected,
        "profile": {
            "min_length": facts["min_length"],
            "max_length": facts["max_length"],
            "top_values": [{"value": value, "count": count} for value, count in facts["values"][:_SAMPLES]],
            "null_words": dict(facts["null_words"]),
        },
        "risk_flags": [_risk(code) for code in entry.risks],
    }


def _risk(code: str) -> dict[str, str]:
    severity = "info" if code in {"sample_size_low", "moderate_null_ratio"} else "warning"
    return {"code": code, "severity": severity, "message": _RISK_TEXT[code]}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\0", "")
