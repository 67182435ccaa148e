"""Datasets, versions, mappings and runs as JSON objects: in the log, in the registry's tables, over HTTP."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from spice_core.domain.datasets import ClassMapping, Column, Dataset, DatasetVersion, FieldMapping, ObjectifyRun


def version_as_json(version: DatasetVersion) -> dict[str, Any]:
    """Return `version` as a JSON object; times are ISO 8601."""
    return {
        **asdict(version),
        "columns": [asdict(column) for column in version.columns],
        "primary_key_candidates": [list(names) for names in version.primary_key_candidates],
        "created_at": version.created_at.isoformat(),
        "notes": list(version.notes),
    }


def version_of_json(record: Mapping[str, Any]) -> DatasetVersion:
    """Read `version_as_json` back; unknown fields are left out."""
    values = _known(DatasetVersion, record)
    values["columns"] = tuple(Column(**_known(Column, column)) for column in record["columns"])
    values["primary_key_candidates"] = tuple(tuple(names) for names in record["primary_key_candidates"])
    values["created_at"] = datetime.fromisoformat(record["created_at"])
    values["notes"] = tuple(record.get("notes", ()))
    return DatasetVersion(**values)


def mapping_as_json(mapping: ClassMapping) -> dict[str, Any]:
    """Return `mapping` as a JSON object."""
    fields = [{"target_field": field.target_field, "source_fields": list(field.source_fields)} for field in mapping.fields]
    return {**asdict(mapping), "fields": fields}


def mapping_of_json(record: Mapping[str, Any]) -> ClassMapping:
    """Read `mapping_as_json` back; unknown fields are left out."""
    values = _known(ClassMapping, record)
    values["fields"] = tuple(FieldMapping(field["target_field"], tuple(field["source_fields"])) for field in record["fields"])
    return ClassMapping(**values)


def run_as_json(run: ObjectifyRun) -> dict[str, Any]:
    """Return `run` as a JSON object; times are ISO 8601."""
    started = run.started_at.isoformat() if run.started_at else None
    return {**asdict(run), "samples": [dict(sample) for sample in run.samples], "started_at": started}


def run_of_json(record: Mapping[str, Any]) -> ObjectifyRun:
    """Read `run_as_json` back; unknown fields are left out."""
    values = _known(ObjectifyRun, record)
    values["samples"] = tuple(record.get("samples", ()))
    started = record.get("started_at")
    values["started_at"] = datetime.fromisoformat(started) if started else None
    return ObjectifyRun(**values)


def dataset_as_json(dataset: Dataset) -> dict[str, Any]:
    """Return `dataset` with its latest version as a JSON object."""
    latest = version_as_json(dataset.latest) if dataset.latest else None
    return {**asdict(dataset), "created_at": dataset.created_at.isoformat(), "latest": latest}


def dataset_of_json(record: Mapping[str, Any]) -> Dataset:
    """Read `dataset_as_json` back; unknown fields are left out."""
    values = _known(Dataset, record)
    values["created_at"] = datetime.fromisoformat(record["created_at"])
    values["latest"] = version_of_json(record["latest"]) if record.get("latest") else None
    return Dataset(**values)


def _known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in kind.__dataclass_fields__ if name in record}  # type: ignore[attr-defined]
