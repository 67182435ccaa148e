"""Where a task is."""

from datetime import datetime
from typing import Annotated, Any

from anyio import sleep
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from spice_api.edge import edge_of
from spice_api.json_route import StrictJsonRoute
from spice_api.task_board import Task
from spice_core.errors import NotFound

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], route_class=StrictJsonRoute)
_POLL_SECONDS = 0.1


class TaskNotFound(NotFound):
    """There is no such task: it is of another process, or long ago."""

    code = "task_not_found"


class TaskBody(BaseModel):
    """One task."""

    task_id: str
    kind: str = Field(examples=["objectify"])
    status: str = Field(examples=["running", "succeeded", "failed"])
    started_at: datetime
    finished_at: datetime | None
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    code: str | None


@router.get("/{task_id}")
async def get_task(
    request: Request,
    task_id: Annotated[str, Path(max_length=100)],
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its end.")] = 0,
) -> TaskBody:
    """Return a task: its progress, then its result or its error."""
    edge = edge_of(request.scope)
    task, deadline = edge.tasks.get(task_id), edge.clock.monotonic() + wait
    while task is not None and task.state == "running" and (left := deadline - edge.clock.monotonic()) > 0:
        await sleep(min(_POLL_SECONDS, left))
        task = edge.tasks.get(task_id)
    if task is None:
        raise TaskNotFound(f"there is no task {task_id!r}")
    return task_body(task)


def task_body(task: Task) -> TaskBody:
    """Return a task as clients read it."""
    return TaskBody(
        task_id=task.task_id,
        kind=task.kind,
        status=task.state,
        started_at=task.started_at,
        finished_at=task.finished_at,
        progress=dict(task.progress),
        result=dict(task.result) if task.result is not None else None,
        error=task.error,
        code=task.code,
    )
