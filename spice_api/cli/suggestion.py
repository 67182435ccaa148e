"""`spice dataset suggest`: what a dataset could become in the graph, and making it that."""

from dataclasses import asdict, replace
from typing import Annotated

from cyclopts import Parameter

from spice_api.cli.commands import Wait, actor, outcome, report_outcome
from spice_api.cli.report import AsJson, Branch, Database, console, print_json, print_table, shown
from spice_api.cli.session import platform, read_barrier
from spice_core.bootstrap import Platform, suggest_mapping
from spice_core.domain import naming
from spice_core.domain.datasets import ClassMapping
from spice_core.domain.read_models import CommandState, CommandStatus
from spice_core.errors import AlreadyExists
from spice_core.services.submit_registry import RegistryCommands
from spice_core.services.suggest_mapping import Suggestion


def suggest(
    name: str,
    *,
    db: Database,
    branch: Branch = naming.MAIN,
    class_id: Annotated[str | None, Parameter(name="--class", help="The class; without it, one named after the dataset.")] = None,
    accept: Annotated[bool, Parameter(negative="", help="Define the class, unless it is there, and save the mapping.")] = False,
    overwrite: Annotated[bool, Parameter(negative="", help="Save it also over another mapping to that class.")] = False,
    wait: Wait = 60.0,
    as_json: AsJson = False,
) -> int:
    """Suggest a class for the rows of a dataset, and which columns fill its properties and links; with --accept save both.

    Where Dagster runs, the instances are made in a moment. A class that is there stays as it is.
    """
    with platform() as parts:
        read_barrier(parts).wait(db, "registry")
        found = suggest_mapping(parts).suggest(db, naming.aggregate_id(db, branch, name), class_id=class_id)
        if not as_json:
            _print(found)
        if accept and not overwrite:
            _refuse_another(parts, found.mapping)
        done = _accept(parts, found, wait) if accept else {}
    if as_json:
        print_json({**asdict(found), "accepted": done})
    else:
        for what, status in done.items():
            report_outcome(f"{what} of {found.mapping.class_id}", status, as_json=False)
    if accept and "mapping" not in done:
        if not as_json:
            console().print("[red]not saved[/] the mapping, since its class is not there yet: accept again when it is")
        return 1
    return 1 if any(status.state is CommandState.FAILED for status in done.values()) else 0


def _refuse_another(parts: Platform, suggested: ClassMapping) -> None:
    """Raise `AlreadyExists` where somebody has mapped the dataset to this class in another way."""
    for known in parts.registry.mappings(suggested.database, dataset_id=suggested.dataset_id):
        like_it = replace(suggested, version=known.version, schema_hash=known.schema_hash)
        if known.mapping_id == suggested.mapping_id and known != like_it:
            raise AlreadyExists(
                f"the dataset is mapped to {known.class_id} already, in another way; nothing was saved. "
                "--overwrite saves the suggestion in its place, --class names another class",
                details={"mapping_id": known.mapping_id},
            )


def _accept(parts: Platform, found: Suggestion, wait: float) -> dict[str, CommandStatus]:
    """Define the class unless it is there, then save the mapping to it; return how the commands stand."""
    mapping, done = found.mapping, {}
    known = parts.commands.settled.ontology(mapping.database, mapping.branch, frozenset({mapping.class_id}))
    if mapping.class_id not in known.definitions:
        made = parts.commands.create_class(mapping.database, mapping.branch, found.class_definition, actor=actor())
        done["class"] = outcome(parts, made, seconds=wait)
    if all(status.state is CommandState.COMPLETED for status in done.values()):
        catalogue = RegistryCommands(commands=parts.commands, registry=parts.registry)
        done["mapping"] = outcome(parts, catalogue.save_mapping(mapping, actor=actor()), seconds=wait)
    return done


def _print(found: Suggestion) -> None:
    out = console()
    kinds = {entry["name"]: entry["type"] for entry in found.class_definition["properties"]}
    keys = {entry["name"] for entry in found.class_definition["properties"] if entry.get("primaryKey")}
    targets = {entry["predicate"]: entry["target"] for entry in found.class_definition["relationships"]}
    out.print(f"class [bold]{shown(found.mapping.class_id)}[/], key {shown(' + '.join(sorted(keys))) or 'none'}")
    rows = [
        [", ".join(field.source_fields), field.target_field, kinds.get(field.target_field) or f"-> {targets[field.target_field]}"]
        for field in found.mapping.fields
    ]
    print_table(["column", "property or link", "type"], rows)
    for note in found.notes:
        out.print(f"[yellow]note[/] {shown(note)}")
