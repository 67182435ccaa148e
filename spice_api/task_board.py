"""Work that takes longer than a request: a few threads, and what is known of each task while this process lives.

What a task does is durable by itself (objectify records its runs in the log); only its own status is lost with the process.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Condition
from typing import Any, Literal

from spice_core.errors import RateLimited, SpiceError, Unavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_log = logging.getLogger(__name__)
_KEPT = 1000
_WAITING = 20
_THREADS = 2

Report = Callable[[Mapping[str, Any]], None]
Work = Callable[[Report], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: `progress` while it runs, then `result` or `error` with its code."""

    task_id: str
    kind: str
    state: Literal["running", "succeeded", "failed"]
    started_at: datetime
    finished_at: datetime | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    error: str | None = None
    code: str | None = None


class TaskBoard:
    """Runs tasks and remembers the newest ones."""

    def __init__(self, *, clock: Clock, ids: IdSource) -> None:
        self._clock = clock
        self._ids = ids
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="task")
        self._changed = Condition()
        self._is_closing = False
        self._tasks: dict[str, Task] = {}

    def start(self, kind: str, work: Work) -> Task:
        """Start `work` in a thread and return its task.

        Raises:
            RateLimited: too many tasks are under way.
        """
        with self._changed:
            if sum(task.state == "running" for task in self._tasks.values()) >= _WAITING:
                raise RateLimited(f"{_WAITING} tasks are under way; wait for one to end")
            task = Task(self._ids.new_id(), kind, "running", self._clock.now())
            self._tasks[task.task_id] = task
            self._forget_old()
        self._pool.submit(self._run, task.task_id, work)
        return task

    def get(self, task_id: str) -> Task | None:
        """Return a task, None where there is none, or it was long ago."""
        with self._changed:
            return self._tasks.get(task_id)

    def wait(self, task_id: str, *, seconds: float) -> Task | None:
        """Return a task as soon as it has ended, at the latest after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks[task_id].state != "running", seconds)
            return self._tasks.get(task_id)

    def close(self) -> None:
        """Stop every task at its next report of progress, and start nothing any more."""
        self._is_closing = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, task_id: str, work: Work) -> None:
        try:
            result = work(lambda progress: self._report(task_id, progress))
        except SpiceError as error:
            self._update(task_id, state="failed", error=error.message, code=error.code, finished_at=self._clock.now())
        except Exception:  # noqa: BLE001 - the boundary of a task: whatever it was, its status says that it ended
            _log.exception("unforeseen error in task %s", task_id)
            error_text = "Something went wrong inside; quote the task id to an operator."
            self._update(task_id, state="failed", error=error_text, code="internal_error", finished_at=self._clock.now())
        else:
            self._update(task_id, state="succeeded", result=dict(result), finished_at=self._clock.now())

    def _report(self, task_id: str, progress: Mapping[str, Any]) -> None:
        if self._is_closing:
            raise Unavailable("the app is stopping; start the task again")
        self._update(task_id, progress=dict(progress))

    def _update(self, task_id: str, **changes: Any) -> None:
        with self._changed:
            self._tasks[task_id] = replace(self._tasks[task_id], **changes)
            self._changed.notify_all()

    def _forget_old(self) -> None:
        ended = [name for name, task in self._tasks.items() if task.state != "running"]
        for name in ended[: max(0, len(self._tasks) - _KEPT)]:
            del self._tasks[name]
