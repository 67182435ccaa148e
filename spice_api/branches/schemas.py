"""Shapes of branches."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from spice_api.envelope import Strict


class CreateBranch(Strict):
    """A branch to create."""

    branch_name: str = Field(examples=["backup-20260108"], max_length=200)
    from_branch: str = Field(default="main", max_length=200, description="A branch, a commit id, or either with `~n` behind it.")
    description: str = Field(default="", max_length=10_000)


class BranchBody(BaseModel):
    """One branch."""

    name: str
    head: str = Field(description="The id of its newest commit.")
    created_from: str | None = Field(description="The commit it was created from; null for main.")
    created_at: datetime
    is_protected: bool


class BranchList(BaseModel):
    """All branches, main first."""

    branches: list[BranchBody]
    current: str = "main"


class CreatedBranch(BaseModel):
    """A branch that was created, or (status `accepted`) is still being created."""

    branch: str
    from_branch: str
    command_id: str
    status_url: str


class BranchCreation(BaseModel):
    """The answer to a creation."""

    status: Literal["created", "accepted"]
    message: str
    data: CreatedBranch


class BranchDeletion(BaseModel):
    """The answer to a deletion."""

    status: Literal["success", "accepted"]
    message: str
    data: dict[str, str]
