"""What a sample of the platform tells of lags, and of parts that are away."""

from pathlib import Path

from spice_core.adapters.memory.ledger import MemoryLedger
from spice_core.adapters.memory.object_store import MemoryObjectStore
from spice_core.adapters.memory.search_index import MemorySearchIndex
from spice_core.errors import LedgerUnavailable
from spice_core.ports.tracer import SilentTracer
from spice_core.services.event_log.feed import LogEventFeed
from spice_core.services.observed_log import ObservedEventLog
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.services.sample_platform import PlatformSampler
from spice_core.services.submit_commands import CommandService
from tests.write_path import WritePath


class World:
    """A write path whose log is observed, and a sampler that looks at it."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = WritePath()
        self.ledger, self.metrics = MemoryLedger(), PlatformMetrics()
        clock, ids = self.path.clock, self.path.ids
        self.log = ObservedEventLog(
            store=MemoryObjectStore(),
            ledger=self.ledger,
            clock=clock,
            ids=ids,
            writer_id="test",
            tracer=SilentTracer(),
            metrics=self.metrics,
        )
        assert self.path.work is not None
        self.commands = CommandService(log=self.log, graph=self.path.graph, work=self.path.work, clock=clock, ids=ids)
        self.is_redis_up = True
        self.sampler = PlatformSampler(
            log=self.log,
            ledger=self.ledger,
            graph=self.path.graph,
            search=MemorySearchIndex(),
            work=self.path.work,
            feed=LogEventFeed(self.log),
            clock=clock,
            state_path=tmp_path,
            others={"redis": lambda: self.is_redis_up},
        )

    def index(self, position: int) -> None:
        assert self.path.work is not None
        lease = self.path.work.acquire("search:shop", owner="test", seconds=1_000_000)
        assert lease is not None
        self.path.work.mark_done(lease, "search", [], database="shop", position=position)


def test_lag_of_the_folder_and_age_of_the_index_come_and_go(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.commands.create_database("shop")
    world.path.clock.sleep(90)
    late = world.sampler.sample()
    assert late.folder_lag == {"shop": 1}
    assert 90 <= late.index_age["shop"] < 91
    world.log.fold("shop")
    world.index(1)
    assert (world.sampler.sample().folder_lag, world.sampler.sample().index_age) == ({"shop": 0}, {"shop": 0.0})


def test_part_that_is_away_is_told_and_hides_only_what_it_knew(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.is_redis_up = False

    def gone() -> None:
        raise LedgerUnavailable

    world.ledger.heads = gone  # type: ignore[method-assign, assignment]
    sample = world.sampler.sample()
    assert sample.parts == {"log": True, "ledger": False, "graph": True, "search": True, "redis": False}
    assert sample.disk_free_bytes > 0
    assert sample.dead_letters is None


def test_appends_are_counted_by_kind_and_repetitions_apart(tmp_path: Path) -> None:
    world = World(tmp_path)
    key = "00000000-0000-4000-8000-000000000001"
    world.commands.create_database("shop", command_id=key)
    world.commands.create_database("shop", command_id=key)
    value = world.metrics.registry.get_sample_value
    assert value("spice_log_appended_events_total", {"kind": "command"}) == 1
    assert value("spice_log_repeated_appends_total") == 1
    assert value("spice_log_append_seconds_count") == 1
