"""Whether a mapping can run on a dataset version: every reason why not, each with a stable code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spice_core.domain.datasets import ClassMapping, Column, DatasetVersion
from spice_core.domain.key_specs import PRIMARY, KeySpec
from spice_core.domain.object_edits import EDIT_POLICIES
from spice_core.domain.ontology import PropertyDefinition
from spice_core.domain.queries import Kind
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.domain.row_mapping import RowMapper
from spice_core.domain.shards import Shards
from spice_core.domain.values import ValueSpec, type_name
from spice_core.errors import InvalidMapping, ObjectTypeMismatch

MISSING_TARGET_POLICIES = ("reject_row", "drop_link", "fail")
REMOVED_ROW_POLICIES = ("delete", "keep")
_OF_CLASS = "OBJECT_TYPE_"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a mapping cannot run: a stable code, and a sentence."""

    code: str
    message: str


def mapping_problems(
    mapping: ClassMapping, version: DatasetVersion | None, resolved: ResolvedClass, *, keys: Sequence[KeySpec] = ()
) -> list[Problem]:
    """Return why `mapping` cannot run on `version`; empty where it can. `keys` are those stated of the dataset."""
    if version is None:
        return [Problem("MAPPING_SPEC_SOURCE_MISSING", "the dataset has no version yet; upload one first")]
    targets = [field.target_field for field in mapping.fields]
    known = {*resolved.properties, *resolved.relationships}
    tests: list[tuple[str, Sequence[str], str]] = [
        ("MAPPING_SPEC_SOURCE_MISSING", sorted(_sources(mapping) - _types(version).keys()), "the dataset has no column"),
        ("MAPPING_SPEC_SOURCE_TYPE_UNKNOWN", _unknown_types(mapping, version), "the type of a column is not known"),
        ("MAPPING_SPEC_TARGET_UNKNOWN", sorted(set(targets) - known), "the class has no field"),
        ("MAPPING_SPEC_TARGET_REPEATED", sorted({name for name in targets if targets.count(name) > 1}), "mapped twice"),
        ("MAPPING_SPEC_TARGET_TYPE_MISMATCH", _other_types(mapping, resolved), "the class has another type"),
        ("MAPPING_SPEC_UNSUPPORTED_TYPES", _joined_properties(mapping, resolved), "only a link takes several columns"),
        ("MAPPING_SPEC_UNSUPPORTED_TYPES", _misfits(mapping, version, resolved), "the column's type does not fit"),
        ("MAPPING_SPEC_POLICY_UNKNOWN", _unknown_policies(mapping, known), "no such policy"),
        *_key_tests(mapping, resolved, targets, keys),
        *_class_tests(resolved),
    ]
    return [Problem(code, f"{text}: {', '.join(names)}") for code, names, text in tests if names]


def link_problems(mapping: ClassMapping, version: DatasetVersion, resolved: ResolvedClass, ontology: Ontology) -> list[Problem]:
    """Return the links of a mapping whose columns are not the parts of their target's key."""
    found: list[Problem] = []
    for entry in mapping.fields:
        relationship = resolved.relationships.get(entry.target_field)
        if relationship is None:
            continue
        target = ontology.resolve(relationship.target)
        found += key_problems_of(entry.target_field, entry.source_fields, version, target)
    return found


def shard_problems(mapping: ClassMapping, ontology: Ontology, shards: Shards) -> list[Problem]:
    """Return the links that can only be made of all rows at once."""
    own = sorted(RowMapper(mapping, ontology).own_links) if not shards.is_whole else []
    told = "links to its own class, which need all instances to be there: run all shards in one"
    return [Problem("MAPPING_SPEC_OWN_LINK_IN_SHARDS", f"{mapping.class_id}.{name} {told}") for name in own]


def key_problems_of(name: str, columns: Sequence[str], version: DatasetVersion, target: ResolvedClass) -> list[Problem]:
    """Return why `columns` cannot name instances of `target`: their number, or their types."""
    parts = target.primary_key
    if len(parts) != len(columns):
        message = f"link {name} needs {len(parts)} columns, one per part of the target's primary key"
        return [Problem("MAPPING_SPEC_LINK_KEY_MISMATCH", message)]
    types = {column.name: column for column in version.columns}
    misfits = [
        _misfit(column, part, target.properties[part].spec)
        for column, part in zip(columns, parts, strict=True)
        if column in types and not fits(types[column], target.properties[part].spec)
    ]
    return [Problem("MAPPING_SPEC_UNSUPPORTED_TYPES", f"link {name}: {', '.join(misfits)}")] if misfits else []


def fits(column: Column, target: ValueSpec) -> bool:
    """Whether values of `column` are values of `target`: text takes all, decimals take whole numbers, dates and times each other.

    A column without any value fits everything.
    """
    statistics = column.statistics
    if statistics.get("total_count") and statistics.get("null_count") == statistics.get("total_count"):
        return True
    if target.is_array:
        return target.items is None or fits(column, target.items)
    if target.kind in {Kind.TEXT, Kind.JSON} or column.type == target.type:
        return True
    source = _kind(column)
    pairs = {(Kind.INTEGER, Kind.NUMBER), (Kind.DATE, Kind.TIMESTAMP), (Kind.TIMESTAMP, Kind.DATE)}
    return source is target.kind or (source, target.kind) in pairs


def refusal_of(problems: Sequence[Problem]) -> InvalidMapping | ObjectTypeMismatch:
    """Return the error that names all `problems`: a conflict where the class, not the mapping, would have to change."""
    errors = [{"code": problem.code, "message": problem.message} for problem in problems]
    message = "; ".join(problem.message for problem in problems)
    is_conflict = all(problem.code.startswith(_OF_CLASS) for problem in problems)
    error = ObjectTypeMismatch if is_conflict else InvalidMapping
    return error(message, details={"errors": errors})


def _key_tests(
    mapping: ClassMapping, resolved: ResolvedClass, targets: Sequence[str], keys: Sequence[KeySpec]
) -> list[tuple[str, Sequence[str], str]]:
    mapped = _sources(mapping)
    stated = [set(key.columns) for key in keys if key.kind == PRIMARY]
    used = {name for field in mapping.fields if field.target_field in resolved.primary_key for name in field.source_fields}
    lacking = [name for key in keys if key.kind != PRIMARY for name in key.columns if name not in mapped]
    title = [name for name, found in resolved.properties.items() if found.is_title_key and name not in targets]
    key = [name for name in resolved.primary_key if name not in targets]
    mismatch = [" + ".join(sorted(columns)) for columns in stated if columns != used] if not key else []
    return [
        ("MAPPING_SPEC_PRIMARY_KEY_MISSING", key, "the primary key is not mapped"),
        ("MAPPING_SPEC_DATASET_PK_MISMATCH", mismatch, "the class's primary key is not mapped from the dataset's, which is"),
        ("MAPPING_SPEC_UNIQUE_KEY_MISSING", lacking, "a column of a unique key is not mapped"),
        ("MAPPING_SPEC_TITLE_KEY_MISSING", title, "the title key is not mapped"),
        ("MAPPING_SPEC_REQUIRED_MISSING", _lacking(resolved.properties, targets), "a required property is not mapped"),
    ]


def _class_tests(resolved: ResolvedClass) -> list[tuple[str, Sequence[str], str]]:
    marked = [name for name, found in resolved.properties.items() if found.is_primary_key]
    inactive = [resolved.id] if resolved.definition.is_abstract else []
    return [
        (
            "OBJECT_TYPE_PRIMARY_KEY_MISSING",
            [] if marked else [resolved.id],
            "a class without primary key: rows have no identity",
        ),
        ("OBJECT_TYPE_INACTIVE", inactive, "an abstract class has no instances; map to one of its subclasses"),
    ]


def _sources(mapping: ClassMapping) -> set[str]:
    return {name for field in mapping.fields for name in field.source_fields}


def _types(version: DatasetVersion) -> Mapping[str, Column]:
    return {column.name: column for column in version.columns}


def _unknown_types(mapping: ClassMapping, version: DatasetVersion) -> list[str]:
    return [column.name for column in version.columns if column.name in _sources(mapping) and type_name(column.type) is None]


def _other_types(mapping: ClassMapping, resolved: ResolvedClass) -> list[str]:
    return [
        f"{name} is {resolved.properties[name].spec.type}, not {stated}"
        for name, stated in sorted(mapping.target_field_types.items())
        if name in resolved.properties and type_name(stated) != resolved.properties[name].spec.type
    ]


def _misfits(mapping: ClassMapping, version: DatasetVersion, resolved: ResolvedClass) -> list[str]:
    columns = _types(version)
    return [
        _misfit(f"{field.source_fields[0]} ({columns[field.source_fields[0]].type})", field.target_field, spec)
        for field in mapping.fields
        if field.target_field in resolved.properties and len(field.source_fields) == 1 and field.source_fields[0] in columns
        for spec in (resolved.properties[field.target_field].spec,)
        if not fits(columns[field.source_fields[0]], spec)
    ]


def _misfit(column: str, target: str, spec: ValueSpec) -> str:
    return f"{column} into {target} ({spec.type})"


def _kind(column: Column) -> Kind | None:
    name = type_name(column.type)
    return ValueSpec(name).kind if name is not None else None


def _lacking(properties: Mapping[str, PropertyDefinition], targets: Sequence[str]) -> list[str]:
    return [name for name, found in properties.items() if found.is_required and found.default is None and name not in targets]


def _joined_properties(mapping: ClassMapping, resolved: ResolvedClass) -> list[str]:
    return [
        field.target_field
        for field in mapping.fields
        if field.target_field in resolved.properties and len(field.source_fields) != 1
    ]


def _unknown_policies(mapping: ClassMapping, fields: set[str]) -> list[str]:
    stated = [
        ("on_missing_target", mapping.on_missing_target, MISSING_TARGET_POLICIES),
        ("on_removed_row", mapping.on_removed_row, REMOVED_ROW_POLICIES),
        ("default_edit_policy", mapping.default_edit_policy, EDIT_POLICIES),
        *((f"edit_policy.{name}", policy, EDIT_POLICIES) for name, policy in mapping.edit_policy.items()),
    ]
    strange = [f"edit_policy.{name} (the class has no such field)" for name in mapping.edit_policy if name not in fields]
    return [f"{name}={policy}" for name, policy, known in stated if policy not in known] + strange
