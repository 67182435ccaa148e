"""Fault 19: daemon, code server or run killed in the middle, a run launched twice, a tick twice, a dataset deleted meanwhile."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import dagster as dg
import psutil
import pytest
from dagster._core.scheduler.instigation import InstigatorState, SensorInstigatorData

from spice_assets.names import DATABASE
from spice_core.bootstrap import ingest_dataset
from spice_core.domain.datasets import ClassMapping, FieldMapping
from spice_core.domain.ingest_requests import UploadRequest
from spice_core.services.submit_registry import RegistryCommands, mapping_id_of
from spice_core.services.wait_for_reads import ReadBarrier
from tests.faults.installation import DB, Installation, installation
from tests.faults.nursery import Child, shared_nursery
from tests.faults.orchestra import Orchestra

ROWS = 3000
MORE_THAN_AHEAD = 8000
"""A run is at most 5,000 rows ahead of the graph: of so many some are not submitted while the workers stand still."""
UNDER_WAY = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
SUCCESS = dg.DagsterRunStatus.SUCCESS


class World:
    """A database with two datasets and the classes that they fill, its workers, and Dagster beside them."""

    def __init__(self, place: Installation, dsn: str) -> None:
        self.place = place
        self.platform = place.platform
        self.worker: Child = place.start_worker(SPICE_WORKER_BATCH="100")
        self.platform.commands.create_database(DB)
        self.settle()
        for name, class_id, rows in (("people", "Person", ROWS), ("goods", "Good", 1)):
            self.upload(name, rows)
            self._map(name, class_id)
        self.orchestra = Orchestra(place, dsn)

    def upload(self, name: str, rows: int, *, value: str = "a") -> None:
        content = "id,name\n" + "".join(f"k{number},{value}{number}\n" for number in range(rows))
        ingest = ingest_dataset(self.platform)
        ingest.run(UploadRequest(DB, "main", name, f"{name}.csv", key=uuid4().hex), [content.encode()])
        self.settle()

    def settle(self) -> None:
        barrier = ReadBarrier(log=self.platform.log, work=self.platform.work, clock=self.platform.clock, seconds=60)
        assert barrier.wait(DB, "graph", "registry") == [], self.place.out

    def count(self, class_id: str) -> int:
        return self.platform.graph.view(DB).count([class_id])

    def stop_in_the_middle(self, class_id: str, *, more_than: int) -> None:
        """Pause the workers when some of the instances are there."""
        self.orchestra.wait(lambda: self.count(class_id) > more_than, f"progress of {class_id}")
        self.worker.pause()

    def wait_until_quiet(self) -> Sequence[dg.DagsterRun]:
        """Wait until nothing runs; return all runs."""
        self.orchestra.wait(lambda: not self.orchestra.runs(*UNDER_WAY), "end of the runs")
        return self.orchestra.runs()

    def check_applied_once(self, class_id: str, value: str, *, since: int) -> None:
        """Every instance got its value by one command behind log position `since`, whatever ran how often."""
        self.settle()
        nodes = self.platform.graph.view(DB).page([class_id], limit=ROWS + 1).nodes
        assert {node.document["id"]: node.document["name"] for node in nodes} == {f"k{n}": f"{value}{n}" for n in range(ROWS)}
        events = self.platform.log.read(DB, after=since, limit=1_000_000)
        commands = Counter(
            event.event.aggregate_id for event in events if event.event.is_command and f":{class_id}:" in event.event.aggregate_id
        )
        assert (len(commands), set(commands.values())) == (ROWS, {1})

    def _map(self, name: str, class_id: str) -> None:
        properties = [{"name": "id", "type": "string", "primaryKey": True, "required": True}, {"name": "name", "type": "string"}]
        self.platform.commands.create_class(DB, "main", {"id": class_id, "label": class_id, "properties": properties})
        self.settle()
        dataset = self.platform.registry.dataset(DB, f"{DB}:main:{name}")
        assert dataset is not None
        assert dataset.latest is not None
        mapping = ClassMapping(
            mapping_id=mapping_id_of(DB, "main", dataset.dataset_id, class_id),
            database=DB,
            branch="main",
            dataset_id=dataset.dataset_id,
            class_id=class_id,
            fields=[FieldMapping("id", ["id"]), FieldMapping("name", ["name"])],
            schema_hash=dataset.latest.schema_hash,
        )
        RegistryCommands(commands=self.platform.commands, registry=self.platform.registry).save_mapping(mapping)
        self.settle()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, module_database: str, postgres_server: str) -> Iterator[World]:
    """One Dagster for this file's tests."""
    home: Path = tmp_path_factory.mktemp("dagster") / "home"
    with installation(
        home, shared_nursery(), {"SPICE_POSTGRES_URL": module_database, "SPICE_CONNECTORS_ENABLED": "false"}
    ) as place:
        found = World(place, postgres_server)
        found.orchestra.start()
        try:
            yield found
        finally:
            found.worker.resume()
            found.orchestra.kill()


def twin(orchestra: Orchestra, run: dg.DagsterRun) -> str:
    """Queue the same run once more, not held back by the queue's limit for its database."""
    tags = {name: value for name, value in run.tags.items() if name not in {DATABASE, "dagster/run_key"}}
    with orchestra.instance() as instance:
        again = run._replace(run_id=str(uuid4()), status=dg.DagsterRunStatus.QUEUED, tags=tags)
        return instance.add_run(again).run_id


def sensor_state(instance: dg.DagsterInstance, sensor: str) -> InstigatorState:
    [state] = [state for state in instance.all_instigator_state() if state.instigator_name == sensor]
    return state


def go_back_to(orchestra: Orchestra, sensor: str, cursor: str | None) -> int:
    """Let the next tick see what an earlier one saw, as if its cursor had not been kept; return how many ticks there were."""
    with orchestra.instance() as instance:
        state = sensor_state(instance, sensor)
        assert isinstance(state.instigator_data, SensorInstigatorData)
        instance.update_instigator_state(state.with_data(state.instigator_data._replace(cursor=cursor)))
        return len(instance.get_ticks(state.instigator_origin_id, state.selector_id))


def ticked(orchestra: Orchestra, sensor: str, more_than: int) -> bool:
    with orchestra.instance() as instance:
        state = sensor_state(instance, sensor)
        return len(instance.get_ticks(state.instigator_origin_id, state.selector_id)) > more_than + 1


def run_processes(world: World) -> list[psutil.Process]:
    """The processes that execute runs: what the code server spawned."""
    server = psutil.Process(world.orchestra.pid_of("assets"))
    return [child for child in server.children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]


def test_fault_19_daemon_and_run_killed_a_run_launched_twice_and_a_tick_twice_apply_every_chunk_once(world: World):
    orchestra = world.orchestra
    world.stop_in_the_middle("Person", more_than=100)
    assert world.count("Person") < ROWS, "it was faster than we could stop it"
    [run] = orchestra.runs(dg.DagsterRunStatus.STARTED)
    second = twin(orchestra, run)
    orchestra.wait(lambda: len(orchestra.runs(dg.DagsterRunStatus.STARTED)) == 2, "second run")
    orchestra.kill("daemon")
    for process in run_processes(world):
        process.kill()
    known = len(orchestra.runs())
    ticks = go_back_to(orchestra, "new_uploads", None)
    world.worker.resume()
    orchestra.let_leases_end()
    orchestra.start_again("daemon")
    orchestra.wait(lambda: ticked(orchestra, "new_uploads", ticks), "tick of the same")
    orchestra.wait(lambda: len(orchestra.runs()) >= known + 2, "retries of the runs that died")
    runs = world.wait_until_quiet()
    retried = {found.parent_run_id for found in runs if found.parent_run_id}
    assert retried == {run.run_id, second}
    assert {found.status for found in runs if found.parent_run_id} == {SUCCESS}
    assert len(runs) == known + 2, "the tick that saw the same again started nothing"
    world.check_applied_once("Person", "a", since=0)


@pytest.mark.long
def test_run_of_a_dataset_that_is_deleted_ends_and_writes_nothing_more(world: World):
    orchestra = world.orchestra
    orchestra.wait(lambda: orchestra.runs(SUCCESS), "first run")
    world.wait_until_quiet()
    world.upload("goods", MORE_THAN_AHEAD, value="b")
    world.stop_in_the_middle("Good", more_than=100)
    [run] = orchestra.runs(dg.DagsterRunStatus.STARTED)
    RegistryCommands(commands=world.platform.commands, registry=world.platform.registry).delete_dataset(DB, f"{DB}:main:goods")
    world.worker.resume()
    world.wait_until_quiet()
    with orchestra.instance() as instance:
        ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status in {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE}
    world.settle()
    assert 100 < world.count("Good") < MORE_THAN_AHEAD


@pytest.mark.long
def test_fault_19_code_server_killed_with_its_run_is_noticed_and_the_run_done_again_once(world: World):
    """Nothing is helped along here: the leases of what died run out by themselves."""
    orchestra = world.orchestra
    orchestra.wait(lambda: orchestra.runs(SUCCESS), "first run")
    world.wait_until_quiet()
    world.upload("people", ROWS, value="c")
    changed = world.platform.log.head(DB).position
    orchestra.wait(lambda: world.platform.log.head(DB).position > changed + ROWS // 3, "progress")
    world.worker.pause()
    [run] = orchestra.runs(dg.DagsterRunStatus.STARTED)
    orchestra.kill()
    world.worker.resume()
    orchestra.start()
    orchestra.wait(lambda: any(found.parent_run_id == run.run_id for found in orchestra.runs(SUCCESS)), "second run", seconds=240)
    world.check_applied_once("Person", "c", since=changed)
