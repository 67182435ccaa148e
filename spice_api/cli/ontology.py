"""`spice ontology`: classes, and changing one whose instances would get other ids."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
from cyclopts import App, Parameter

from spice_api.cli.commands import Wait, actor, outcome, report_outcome
from spice_api.cli.report import AsJson, Branch, Database, console, print_json, print_table, shown
from spice_api.cli.session import platform
from spice_core.bootstrap import Platform, class_changes
from spice_core.domain import naming
from spice_core.domain.class_migrations import ID_REMAP, RESET_EDITS, Migration
from spice_core.domain.ontology import label_text
from spice_core.domain.ontology_json import class_to_json
from spice_core.domain.read_models import CommandState, CommandStatus
from spice_core.domain.resolution import Ontology, ResolvedClass
from spice_core.errors import InvalidInput
from spice_core.services.migrate_classes import MigrationPlan, Way

app = App(name="ontology", help="List and show classes; migrate one whose primary key changes.")
_STANDARD_INPUT = "-"
_MOST_SAMPLES = 5
_WAYS: Mapping[Migration, str] = {
    ID_REMAP: "move the instances to the ids that their new keys make, with their links and edits",
    RESET_EDITS: "delete the instances with their edits and the links to them; their mappings make them again",
}

ClassName = Annotated[str, Parameter(help="The class.")]


@app.command(name="list")
def list_classes(*, db: Database, branch: Branch = naming.MAIN, as_json: AsJson = False) -> int:
    """List the classes of a branch with their keys, and how many instances each has."""
    with platform() as parts:
        ontology = _ontology(parts, db, branch)
        view = parts.commands.settled.view(db, branch)
        rows = [
            {
                "class_id": name,
                "parent_class": ontology.definitions[name].parent_class,
                "primary_key": list(ontology.resolve(name).primary_key),
                "properties": len(ontology.resolve(name).properties),
                "relationships": len(ontology.resolve(name).relationships),
                "instances": view.count([name]),
            }
            for name in sorted(ontology.definitions)
        ]
    if as_json:
        print_json(rows)
    elif not rows:
        console().print(f"{shown(db)} has no classes on branch {shown(branch)}")
    else:
        columns = ["class", "parent", "key", "properties", "relationships", "instances"]
        print_table(columns, [[_key(value) if isinstance(value, list) else value for value in row.values()] for row in rows])
    return 0


@app.command
def show(class_id: ClassName, *, db: Database, branch: Branch = naming.MAIN, as_json: AsJson = False) -> int:
    """Show a class with what it inherits. `--json` prints its own definition: edit it, and hand it to `migrate`."""
    with platform() as parts:
        resolved = _ontology(parts, db, branch).resolve(class_id)
        count = parts.commands.settled.view(db, branch).count([class_id])
    if as_json:
        print_json(class_to_json(resolved.definition))
    else:
        _print_class(resolved, count)
    return 0


@app.command
def migrate(
    class_id: ClassName,
    *,
    db: Database,
    definition: Annotated[
        str, Parameter(help="The file with the new definition as JSON (`spice ontology show --json`); - reads it.")
    ],
    branch: Branch = naming.MAIN,
    way: Annotated[
        Migration | None,
        Parameter(name="--as", help="Do it: id_remap moves the instances, reset_edits deletes them to be made again."),
    ] = None,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask.")] = False,
    wait: Wait = 900.0,
    as_json: AsJson = False,
) -> int:
    """Say what a new definition of a class would do to its instances, and with `--as` do it.

    A class whose primary key changes gives its instances other ids. Without `--as` nothing is written: the counts, what speaks
    against each way, and the mappings and link types to look at are shown. The exit code is 1 where the way cannot be gone.
    """
    wanted = _read(definition)
    if way is not None and not yes and (as_json or definition == _STANDARD_INPUT or not sys.stdin.isatty()):
        raise InvalidInput("there is nobody to ask: add --yes to do it, or leave --as away to see the plan")
    with platform() as parts:
        plan = class_changes(parts).plan(db, branch, class_id, wanted)
        if way is None or not as_json:
            _tell(plan, db, branch, is_json=as_json)
        if way is None:
            return 0
        if any(found.migration == way and not found.is_possible for found in plan.ways):
            if as_json:
                print_json(plan.as_json())
            return 1
        if not yes and input(f"{way}: {_WAYS[way]}. Type the name of the class to do it: ") != class_id:
            return 1
        status = _apply(parts, db, branch, wanted, plan=plan, way=way, wait=wait)
    return _report(plan, way, status, as_json=as_json)


def _apply(
    parts: Platform, database: str, branch: str, wanted: Mapping[str, Any], *, plan: MigrationPlan, way: Migration, wait: float
) -> CommandStatus:
    """Migrate the class that the plan was made of, unless it changed meanwhile, and follow the command to its end."""
    changes = class_changes(parts)
    accepted = changes.update(database, branch, plan.class_id, wanted, expected_seq=plan.version, migration=way, actor=actor())
    return outcome(parts, accepted, seconds=wait)


def _report(plan: MigrationPlan, way: Migration, status: CommandStatus, *, as_json: bool) -> int:
    code = report_outcome(f"migrating class {plan.class_id}", status, as_json=as_json)
    told = (status.result or {}).get("migration")
    if as_json or status.state is not CommandState.COMPLETED or told is None:
        return code
    count = told.get("moved" if way == ID_REMAP else "deleted", 0)
    verb = "got another id" if way == ID_REMAP else "were deleted"
    console().print(f"{count:,} instances {verb}; {told['links']:,} links, {told['linking_objects']:,} objects that link to them")
    if way == RESET_EDITS and plan.mappings:
        console().print("mappings that run by themselves make them again in a moment, where Dagster runs; run others by hand")
    return code


def _ontology(parts: Platform, database: str, branch: str) -> Ontology:
    return parts.commands.settled.ontology(database, branch, frozenset())


def _read(name: str) -> dict[str, Any]:
    """Read a definition. Raises `InvalidInput`."""
    try:
        content = sys.stdin.buffer.read() if name == _STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}") from error
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{name} must hold one JSON object, the definition of the class (see `spice ontology show --json`)")
    return found


def _print_class(resolved: ResolvedClass, count: int) -> None:
    definition = resolved.definition
    parent = f", below {', '.join(resolved.ancestors)}" if resolved.ancestors else ""
    kind = ", abstract" if definition.is_abstract else ""
    console().print(f"[bold]{shown(resolved.id)}[/] ({shown(label_text(definition.label))}){parent}{kind}: {count:,} instances")
    console().print(f"key {_key(resolved.primary_key)}; title {shown(resolved.title_key)}")
    properties = [
        [name, item.spec.type, item.is_required, name in resolved.primary_key] for name, item in resolved.properties.items()
    ]
    print_table(["property", "type", "required", "key"], properties)
    if resolved.relationships:
        links = [
            [name, item.target, item.cardinality, item.is_required, item.on_delete]
            for name, item in resolved.relationships.items()
        ]
        print_table(["relationship", "target", "cardinality", "required", "on delete"], links)


def _tell(plan: MigrationPlan, database: str, branch: str, *, is_json: bool) -> None:
    if is_json:
        print_json(plan.as_json())
        return
    out = console()
    out.print(f"[bold]{shown(plan.class_id)}[/] in {shown(database)}, branch {shown(branch)}, version {plan.version}")
    if not plan.is_required:
        out.print("no instance would get another id: the change needs no migration")
        return
    for name, (before, after) in sorted(plan.keys.items()):
        out.print(f"  key of {shown(name)}: {_key(before)} -> {_key(after)}")
    least = "" if plan.is_every_edit_counted else "at least "
    out.print(f"  {plan.objects:,} instances, {plan.moving:,} of which id_remap gives another id")
    out.print(f"  {plan.links:,} links lead to them, from {plan.linking_objects:,} instances of other classes")
    out.print(f"  {least}{plan.edits:,} edited fields on {plan.objects_with_edits:,} instances: reset_edits drops these edits")
    out.print(f"  {least}{plan.objects_by_people:,} instances that no source makes: reset_edits deletes them for good")
    for way in plan.ways:
        _tell_way(way)
    for what, ids in (("mappings", plan.mappings), ("link types", plan.link_types)):
        if ids:
            out.print(f"{what} to look at, whether they still fit: {shown(', '.join(ids))}")


def _tell_way(way: Way) -> None:
    out = console()
    if way.is_possible:
        out.print(f"[green]possible[/] {way.migration}: {_WAYS[way.migration]}")
        return
    told = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(way.problems.items()))
    out.print(f"[red]not possible[/] {way.migration}: {shown(told)}")
    for sample in way.samples[:_MOST_SAMPLES]:
        out.print(f"  {shown('; '.join(f'{name} {_text(value)}' for name, value in sample.items()))}")


def _key(parts: Any) -> str:
    return shown(" + ".join(parts)) if parts else "none (generated ids)"


def _text(value: Any) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
