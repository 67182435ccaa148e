"""Defining classes: the same routes on OMS and BFF."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from spice_api.dependencies import MAIN, BranchQuery, CallerDep, ClassPath, DatabasePath, ExpectedSeq, PlatformDep
from spice_api.envelope import Envelope, Started
from spice_api.json_route import StrictJsonRoute
from spice_api.ontology.schemas import ClassAnswer, ClassBody, ClassList, MigrationPlanAnswer, ValidateInstance, Validation
from spice_api.reading import NumbersDep
from spice_api.route_rates import counts_as
from spice_api.waiting import SettlingDep
from spice_core.bootstrap import class_changes
from spice_core.domain.graph import Node
from spice_core.domain.instances import created
from spice_core.domain.ontology_json import class_from_json, class_to_json
from spice_core.domain.rates import SEARCH, WRITE
from spice_core.domain.resolution import Ontology
from spice_core.errors import InvalidInput
from spice_core.services.settled_graph import class_key

MigrationQuery = Annotated[
    Literal["reset_edits", "id_remap"] | None,
    Query(
        description="What becomes of instances whose ids change: `id_remap` moves them with their links and edits to the ids "
        "that their values of the new key make; `reset_edits` deletes them with their edits; their mappings make them again."
    ),
]

router = APIRouter(prefix="/api/v1/database/{db_name}/ontology", tags=["ontology"], route_class=StrictJsonRoute)


@router.post("", status_code=202, openapi_extra=counts_as(WRITE))
def create_class(
    *,
    db_name: DatabasePath,
    body: ClassBody,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> Envelope[Started]:
    """Add a class. Accepted at once; what is sent next may already use it."""
    accepted = platform.commands.create_class(db_name, branch, body.definition(), **caller.origin(db_name))
    message = f"class {body.id} is being created"
    return settling.envelope(accepted, message, ontology_id=body.id, database=db_name, branch=branch)


@router.get("")
def list_classes(
    db_name: DatabasePath, platform: PlatformDep, numbers: NumbersDep, branch: BranchQuery = MAIN
) -> Envelope[ClassList]:
    """List the classes of a branch."""
    ontology = platform.commands.settled.ontology(db_name, branch, frozenset())
    view = platform.commands.settled.view(db_name, branch)
    names = sorted(ontology.definitions)
    found = view.get([class_key(name) for name in names])
    nodes = {node.key: node for node in numbers.of(db_name, branch, list(found.values()))}
    classes = [_answer(nodes.get(class_key(name)), ontology, name) for name in names]
    return Envelope(message=f"{len(classes)} classes", data=ClassList(branch=branch, classes=classes))


@router.post("/validate")
def validate_class(
    db_name: DatabasePath, body: ClassBody, platform: PlatformDep, branch: BranchQuery = MAIN
) -> Envelope[Validation]:
    """Say whether a definition would be accepted, without defining it."""
    ontology = platform.commands.settled.ontology(db_name, branch, frozenset())
    try:
        definition = class_from_json(body.definition(), max_properties=platform.settings.max_property_count)
        ontology.with_class(definition).resolve(definition.id)
    except InvalidInput as error:
        return _invalid(error)
    return Envelope(message="the definition is valid", data=Validation(valid=True, errors=[]))


@router.post("/{class_id}/validate")
def validate_instance(
    db_name: DatabasePath, class_id: ClassPath, body: ValidateInstance, platform: PlatformDep, branch: BranchQuery = MAIN
) -> Envelope[Validation]:
    """Say whether an instance would fit the class, without creating it."""
    ontology = platform.commands.settled.ontology(db_name, branch, frozenset({class_id}), fresh=True)
    resolved = ontology.resolve(class_id)
    try:
        created(resolved, body.data)
    except InvalidInput as error:
        return _invalid(error)
    return Envelope(message="the instance fits", data=Validation(valid=True, errors=[]))


@router.get("/{class_id}")
def get_class(
    db_name: DatabasePath, class_id: ClassPath, platform: PlatformDep, numbers: NumbersDep, branch: BranchQuery = MAIN
) -> Envelope[ClassAnswer]:
    """Return one class with what it inherits."""
    ontology = platform.commands.settled.ontology(db_name, branch, frozenset({class_id}), fresh=True)
    ontology.resolve(class_id)
    found = list(platform.commands.settled.view(db_name, branch).get([class_key(class_id)]).values())
    node = numbers.of(db_name, branch, found)[0] if found else None
    return Envelope(message=class_id, data=_answer(node, ontology, class_id))


@router.put("/{class_id}", status_code=202, openapi_extra=counts_as(WRITE))
def update_class(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    expected_seq: ExpectedSeq,
    body: ClassBody,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
    migration: MigrationQuery = None,
) -> Envelope[Started]:
    """Replace the definition of a class. A change that existing instances contradict fails and says how many it would break.

    A change of the primary key gives instances other ids: without a `migration` it is refused (409
    `object_type_migration_required`, with the plan as details).
    """
    accepted = class_changes(platform).update(
        db_name,
        branch,
        class_id,
        body.definition(),
        expected_seq=expected_seq,
        migration=migration,
        **caller.origin(db_name),
    )
    message = f"class {class_id} is being changed"
    return settling.envelope(accepted, message, ontology_id=class_id, database=db_name, branch=branch)


@router.post("/{class_id}/migrations/plan", openapi_extra=counts_as(SEARCH))
def plan_migration(
    db_name: DatabasePath, class_id: ClassPath, body: ClassBody, platform: PlatformDep, branch: BranchQuery = MAIN
) -> Envelope[MigrationPlanAnswer]:
    """Count what a change of a class would do to its instances, links and edits, without doing it."""
    plan = class_changes(platform).plan(db_name, branch, class_id, body.definition())
    message = f"{plan.objects} instances would get other ids" if plan.is_required else "no instance would get another id"
    return Envelope(message=message, data=MigrationPlanAnswer.model_validate(plan.as_json()))


@router.delete("/{class_id}", status_code=202, openapi_extra=counts_as(WRITE))
def delete_class(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    expected_seq: ExpectedSeq,
    platform: PlatformDep,
    caller: CallerDep,
    settling: SettlingDep,
    branch: BranchQuery = MAIN,
) -> Envelope[Started]:
    """Remove a class. One that has instances, or that another class names, is refused."""
    accepted = platform.commands.delete_class(db_name, branch, class_id, expected_seq=expected_seq, **caller.origin(db_name))
    message = f"class {class_id} is being deleted"
    return settling.envelope(accepted, message, ontology_id=class_id, database=db_name, branch=branch)


def _answer(node: Node | None, ontology: Ontology, class_id: str) -> ClassAnswer:
    resolved = ontology.resolve(class_id)
    own = {item.name for item in resolved.definition.properties}
    return ClassAnswer(
        **class_to_json(resolved.definition),
        version=node.sequence_number if node else 0,
        ancestors=list(resolved.ancestors),
        inherited_properties=[name for name in resolved.properties if name not in own],
        primary_key=list(resolved.primary_key),
        title_key=resolved.title_key,
    )


def _invalid(error: InvalidInput) -> Envelope[Validation]:
    errors = error.details.get("errors") or [{"field": "", "message": error.message}]
    return Envelope(message=error.message, data=Validation(valid=False, errors=errors))
