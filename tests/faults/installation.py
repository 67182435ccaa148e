"""An installation with real processes: workers and APIs that can be killed and paused, on whatever engines its settings name."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2

from spice_api.dev.servers.server import free_port
from spice_core.bootstrap import Platform, bootstrap
from spice_core.domain.graph import ONTOLOGY_CLASS
from spice_core.domain.read_models import FINAL_STATES, CommandState
from spice_core.errors import SpiceError
from spice_core.services.compare_stores import HANDLERS
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.settings import load_settings
from spice_workers.__main__ import handlers_of
from spice_workers.crash_points import CrashPoints
from spice_workers.limits import RunnerLimits
from spice_workers.metrics import WorkerMetrics
from spice_workers.runner import Runner
from spice_workers.stream import Parts
from tests.faults.model import Documents, Judgement, judge_log, judge_states, member_id
from tests.faults.nursery import Child, Nursery
from tests.faults.oracle import assert_sound, compared
from tests.faults.requests import OWNER, THING, Fate, Record

DB = "shop"
LEASE_SECONDS = 1.5
OPEN = {
    "OMS_REQUIRE_AUTH": "false",
    "ALLOW_INSECURE_OMS_AUTH_DISABLE": "true",
    "SPICE_RATE_LIMIT_ENABLED": "false",
}


@dataclass
class Installation:
    """Stores that outlive everything, and processes that may die at any time. `settings` are environment variables."""

    home: Path
    nursery: Nursery
    settings: Mapping[str, str]
    children: list[Child] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "SPICE_HOME": str(self.home),
            "SPICE_LEASE_SECONDS": str(LEASE_SECONDS),
            "SPICE_HEARTBEAT_SECONDS": "0.3",
            "SPICE_READ_WAIT_SECONDS": "0.5",
            "SPICE_POSTGRES_POOL_SIZE": "6",
            **OPEN,
            **self.settings,
        }
        self.platform: Platform = self.open()

    def open(self, **more: str) -> Platform:
        """Open the platform in this process, as one more client."""
        with patch.dict(os.environ, {**self.environment, **more}, clear=True):
            return bootstrap(load_settings(), process="client")

    def close(self) -> None:
        """End every process and close the platform."""
        for child in self.children:
            child.resume()
            child.kill()
        self.platform.close()

    @property
    def out(self) -> str:
        """The last of what the processes wrote."""
        path = self.home / "processes.log"
        return path.read_text(errors="replace")[-5000:] if path.exists() else ""

    def work_here(self) -> None:
        """Work in this process until nothing is left, from the log itself, and give the leases back."""
        platform = self.platform
        parts = Parts(
            feed=LogEventFeed(platform.log),
            log=platform.log,
            work=platform.work,
            statuses=platform.statuses,
            clock=platform.clock,
            owner=platform.ids.new_id(),
            limits=RunnerLimits.of(platform.settings),
            metrics=WorkerMetrics(since=platform.clock.now()),
            crash=CrashPoints(),
        )
        handlers = [handler for handler in handlers_of(["all"], platform) if handler.name in HANDLERS]
        runner = Runner(handlers, parts)
        runner.run_until_idle()
        runner.stop()

    def set_up(self, *databases: str) -> None:
        """Create databases with both classes, decided."""
        for database in databases or (DB,):
            self.known.add(self.platform.commands.create_database(database).command_id)
        self.work_here()
        for definition in (OWNER, THING):
            for database in databases or (DB,):
                self.known.add(self.platform.commands.create_class(database, "main", definition).command_id)
            self.work_here()

    def start_worker(self, *names: str, program: str = "spice_workers", **environment: str) -> Child:
        """Start a worker process of the named workers, of all without a name."""
        return self._start([program, *(names or ("all",))], {"SPICE_WORKER_PORT": str(free_port()), **environment})

    def start_oms(self, *, port: int | None = None, program: str = "spice_api.oms.main", **environment: str) -> tuple[Child, str]:
        """Start an OMS process; return it and its address. It may take a moment to answer (`wait_ready`)."""
        port = port or free_port()
        return self._start([program], {"OMS_PORT": str(port), **environment}), f"http://127.0.0.1:{port}"

    def run(self, *words: str) -> int:
        """Run a program of ours to its end; return its exit code."""
        return self._start(words, {}).wait(120)

    def wait_ready(self, *urls: str, seconds: float = 60.0) -> None:
        """Wait until the apps answer."""
        deadline = time.monotonic() + seconds
        for url in urls:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    if httpx2.get(f"{url}/health", timeout=2).status_code == 200:
                        break
                assert time.monotonic() < deadline, f"{url} does not answer\n{self.out}"
                time.sleep(0.02)

    def people(self, count: int, *, first: int = 0) -> list[str]:
        """Create owners and patch two different fields of each; return the command ids."""
        commands, ids = self.platform.commands, []
        for number in range(first, first + count):
            name = f"o{number}"
            ids.append(commands.create_instance(DB, "main", "Owner", {"owner_id": name, "name": "0"}).command_id)
            ids.append(commands.update_instance(DB, "main", "Owner", name, {"name": "1"}, expected_seq=1).command_id)
            ids.append(commands.update_instance(DB, "main", "Owner", name, {"city": "2"}, expected_seq=2).command_id)
        return ids

    def wait_final(self, command_ids: Sequence[str], *, seconds: float = 60.0) -> None:
        """Wait until every command is completed; fail with what the processes wrote otherwise."""
        deadline = time.monotonic() + seconds
        open_ids = set(command_ids)
        while open_ids:
            for command_id in sorted(open_ids):
                with contextlib.suppress(SpiceError):
                    status = self.platform.statuses.get(command_id)
                    if status is not None and status.state in FINAL_STATES:
                        assert status.state is CommandState.COMPLETED, status
                        open_ids.discard(command_id)
            assert time.monotonic() < deadline, f"{len(open_ids)} are not final\n{self.out}"
            time.sleep(0.02)

    def wait_caught_up(self, *databases: str, names: Sequence[str] = HANDLERS, seconds: float = 60.0) -> None:
        """Wait until the handlers have seen the whole log."""
        deadline = time.monotonic() + seconds
        while (behind := self._behind(databases or (DB,), names)) is None or any(behind.values()):
            assert time.monotonic() < deadline, f"behind: {behind}\n{self.out}"
            time.sleep(0.02)

    def check_people(self, count: int) -> None:
        """Every owner of `people` has both patches, each command one outcome, and every store is sound."""
        nodes = self.platform.graph.view(DB).page(["Owner"], limit=1000).nodes
        expected = {f"Owner/o{n}": {"owner_id": f"o{n}", "name": "1", "city": "2"} for n in range(count)}
        assert {node.key: dict(node.document) for node in nodes} == expected
        events = self.platform.log.read(DB, after=0, limit=1_000_000)
        asked = [recorded.event.event_id for recorded in events if recorded.event.is_command]
        answered = [recorded.event.command_id for recorded in events if not recorded.event.is_command]
        assert sorted(asked) == sorted(answered)
        assert_sound(self.platform, DB)

    def judge(self, record: Record, *databases: str) -> Judgement:
        """Compare everything with the clients' record, and every store with a replay of the log."""
        whole = Judgement(wrong=list(record.problems))
        for database in databases or (DB,):
            for part in self._judge(record, database):
                whole.lost += part.lost
                whole.doubled += part.doubled
                whole.wrong += part.wrong
        return whole

    def check(self, record: Record, *databases: str) -> None:
        """Fail unless nothing is lost, doubled or wrong. The workers must be done."""
        found = self.judge(record, *databases)
        assert found.is_good, f"{found}\n{found.details()}"
        assert record.of(Fate.ACCEPTED), "nothing was accepted: this run says nothing"

    def _judge(self, record: Record, database: str) -> Iterator[Judgement]:
        events = self.platform.log.read(database, after=0, limit=10_000_000)
        told, model = judge_log(record, events, database, known=self.known)
        yield told
        accepted = [asked for asked, _ in record.of(Fate.ACCEPTED) if asked.database == database]
        ids = [name for asked in accepted for name in (asked.command_id, *(member_id(asked, n) for n in range(len(asked.rows))))]
        told_states = self._states([name for name in ids if name in model.succeeded])
        yield judge_states(model, self._graph_documents(database), told_states, where=f"graph of {database}")
        yield judge_states(model, self._search_documents(database), {}, where=f"search of {database}")
        found = compared(self.platform, database)
        problem = [] if found.chain.problem is None else [f"chain of {database}: {found.chain.problem.message}"]
        late = [f"{database}: {name} is {count} events behind" for name, count in found.behind.items() if count]
        letters = [f"{database}: {found.dead_letters} dead letters"] if found.dead_letters else []
        differing = [f"{database} {one.part} {one.key}: is {one.live}, should be {one.replayed}" for one in found.differences]
        yield Judgement(wrong=[*problem, *late, *letters, *differing])

    def _states(self, command_ids: Sequence[str]) -> dict[str, str]:
        found = dict.fromkeys(command_ids, "unknown")
        for start in range(0, len(command_ids), 1000):
            statuses = self.platform.statuses.of_commands(command_ids[start : start + 1000])
            found |= {status.command_id: status.state.value for status in statuses}
        return found

    def _graph_documents(self, database: str) -> dict[str, Documents]:
        found: dict[str, Documents] = {}
        for branch in self.platform.graph.branches(database):
            nodes = self.platform.graph.view(database, branch.name).page(["Owner", "Thing"], limit=1_000_000).nodes
            found[branch.name] = {node.key: dict(node.document) for node in nodes if node.class_id != ONTOLOGY_CLASS}
        return found

    def _search_documents(self, database: str) -> dict[str, Documents]:
        found: dict[str, Documents] = {}
        for branch in self.platform.graph.branches(database):
            documents: dict[str, dict[str, Any]] = found.setdefault(branch.name, {})
            after = ""
            while page := self.platform.search.scan(database, branch.name, after=after, limit=1000):
                documents.update((document.key, dict(document.data)) for document in page)
                after = page[-1].key
        return found

    def _behind(self, databases: Sequence[str], names: Sequence[str]) -> dict[str, int] | None:
        try:
            return {
                f"{name} on {database}": self.platform.log.head(database).position - self.platform.work.position(name, database)
                for database in databases
                for name in names
            }
        except SpiceError:
            return None

    def _start(self, words: Sequence[str], environment: Mapping[str, str]) -> Child:
        child = self.nursery.start(
            words, environment={**self.environment, **environment}, cwd=self.home, out=self.home / "processes.log"
        )
        self.children.append(child)
        return child


@contextlib.contextmanager
def installation(home: Path, nursery: Nursery, settings: Mapping[str, str]) -> Iterator[Installation]:
    """Open an installation and end everything it started."""
    home.mkdir(mode=0o700, exist_ok=True)
    found = Installation(home, nursery, settings)
    try:
        yield found
    finally:
        found.close()
