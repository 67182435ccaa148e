"""Shapes of instances."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from spice_api.envelope import Strict
from spice_core.domain.graph import Node
from spice_core.domain.naming import split_node_key

Data = Annotated[
    dict[str, Any],
    Field(
        description="Properties by name; a relationship holds `Class/id`, or a list of them.",
        examples=[{"product_id": "prod_001", "name": "Shirt", "owned_by": "Customer/cust_001"}],
    ),
]
InstanceId = Annotated[str, Field(min_length=1, max_length=512)]
Number = Annotated[int, Field(ge=0, le=2**53)]
MAX_ROWS = 9_999
"""One less than an append holds: the bulk request itself is an event too."""


class CreateInstance(Strict):
    """An instance to create. Its id follows from the primary key."""

    data: Data
    metadata: dict[str, Any] = Field(default_factory=dict, description="Kept as provenance of the command.")


class UpdateInstance(Strict):
    """The fields to change; null removes one."""

    data: Data
    metadata: dict[str, Any] = Field(default_factory=dict)


class BulkCreate(Strict):
    """Instances to create as one unit: all are accepted, or none."""

    instances: list[Data] = Field(min_length=1, max_length=MAX_ROWS)
    metadata: dict[str, Any] = Field(default_factory=dict)


class BulkPatch(Strict):
    """One instance to change."""

    instance_id: InstanceId
    expected_seq: Number
    data: Data


class BulkUpdate(Strict):
    """Instances to change as one unit."""

    instances: list[BulkPatch] = Field(min_length=1, max_length=MAX_ROWS)
    metadata: dict[str, Any] = Field(default_factory=dict)


class BulkRemoval(Strict):
    """One instance to delete."""

    instance_id: InstanceId
    expected_seq: Number


class BulkDelete(Strict):
    """Instances to delete as one unit."""

    instances: list[BulkRemoval] = Field(min_length=1, max_length=MAX_ROWS)
    metadata: dict[str, Any] = Field(default_factory=dict)


class InstanceBody(BaseModel):
    """One instance."""

    instance_id: str = Field(examples=["prod_001"])
    class_id: str = Field(examples=["Product"])
    id: str = Field(description="`Class/id`: how other instances refer to it.", examples=["Product/prod_001"])
    data: dict[str, Any]
    version: int = Field(description="The sequence number: pass it as `expected_seq` to change or delete the instance.")
    updated_at: datetime
    updated_by: str | None
    command_id: str


class InstancePageBody(BaseModel):
    """One page of instances."""

    class_id: str
    branch: str
    commit: str = Field(description="Pass it as `branch` to page over exactly this state.")
    total: int
    limit: int
    offset: int
    next_after: str | None
    instances: list[InstanceBody]
    warnings: list[str]


class Count(BaseModel):
    """How many instances there are."""

    class_id: str
    branch: str
    count: int


def instance_body(node: Node) -> InstanceBody:
    """Return a node as clients read an instance."""
    class_id, instance_id = split_node_key(node.key)
    return InstanceBody(
        instance_id=instance_id,
        class_id=class_id,
        id=node.key,
        data=dict(node.document),
        version=node.sequence_number,
        updated_at=node.provenance.occurred_at,
        updated_by=node.provenance.actor,
        command_id=node.provenance.command_id,
    )
