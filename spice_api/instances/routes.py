"""Reading instances: what the graph holds at a branch, in a total order, filtered by type."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from spice_api.dependencies import MAIN, After, BranchQuery, ClassPath, DatabasePath, Limit, Offset
from spice_api.envelope import Envelope
from spice_api.instances.schemas import Count, InstanceBody, InstancePageBody, instance_body
from spice_api.json_route import StrictJsonRoute
from spice_api.reading import FiltersDep, InstanceReaderDep
from spice_core.services.read_instances import InstanceQuery

router = APIRouter(prefix="/api/v1/instance/{db_name}", tags=["instances"], route_class=StrictJsonRoute)

SortQuery = Annotated[
    str | None, Query(max_length=200, description="A property, with `-` in front for descending order.", examples=["-price"])
]


@router.get("/class/{class_id}/instances")
def list_instances(
    *,
    db_name: DatabasePath,
    class_id: ClassPath,
    reader: InstanceReaderDep,
    filters: FiltersDep,
    branch: BranchQuery = MAIN,
    sort: SortQuery = None,
    after: After = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> Envelope[InstancePageBody]:
    """List the instances of a class and its subclasses."""
    page = reader.page(db_name, branch, InstanceQuery(class_id, filters, sort, after, offset, limit))
    body = InstancePageBody(
        class_id=class_id,
        branch=branch,
        commit=page.commit,
        total=page.total,
        limit=limit,
        offset=offset,
        next_after=page.next_after,
        instances=[instance_body(node) for node in page.nodes],
        warnings=["graph_behind"] if page.is_behind else [],
    )
    return Envelope(message=f"{len(page.nodes)} of {page.total}", data=body)


@router.get("/class/{class_id}/count")
def count_instances(
    db_name: DatabasePath, class_id: ClassPath, reader: InstanceReaderDep, filters: FiltersDep, branch: BranchQuery = MAIN
) -> Envelope[Count]:
    """Count the instances of a class and its subclasses."""
    found = reader.count(db_name, branch, class_id, filters)
    return Envelope(message=f"{found} instances", data=Count(class_id=class_id, branch=branch, count=found))


@router.get("/instance/{instance_id:path}")
def get_instance(
    db_name: DatabasePath,
    instance_id: Annotated[str, Path(max_length=700, description="The id, or `Class/id`.", examples=["Product/prod_001"])],
    reader: InstanceReaderDep,
    branch: BranchQuery = MAIN,
    class_id: Annotated[str | None, Query(max_length=200, description="Needed where two classes hold the same id.")] = None,
) -> Envelope[InstanceBody]:
    """Return one instance, with the number that changing it expects."""
    node = reader.one(db_name, branch, instance_id, class_id=class_id)
    return Envelope(message=node.key, data=instance_body(node))


browsing = APIRouter(prefix="/api/v1/databases/{db_name}", tags=["instances"], route_class=StrictJsonRoute)
browsing.add_api_route("/class/{class_id}/instances", list_instances, name="browse_instances")
browsing.add_api_route("/class/{class_id}/count", count_instances, name="browse_count")
browsing.add_api_route("/instance/{instance_id:path}", get_instance, name="browse_instance")
