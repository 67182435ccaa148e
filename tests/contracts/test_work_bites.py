"""The contracts of the ledger of work and of the read models bite: deliberately broken adapters make them red."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import test_read_models
import test_work_ledger

from spice_core.adapters.memory.audit_store import MemoryAuditStore
from spice_core.adapters.memory.command_statuses import MemoryCommandStatuses
from spice_core.adapters.memory.lineage_store import MemoryLineageStore
from spice_core.adapters.memory.work_ledger import MemoryWorkLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.errors import SpiceError


class LetsZombiesMark(MemoryWorkLedger):
    """Does not look at the epoch."""

    def _holds(self, lease):
        return self._leases.get(lease.name) is not None


class HandsOutLiveLeases(MemoryWorkLedger):
    """Gives a lease to whoever asks."""

    def acquire(self, name, *, owner, seconds):
        held = self._leases.get(name)
        if held is not None:
            held.owner = None
        return super().acquire(name, owner=owner, seconds=seconds)


class ForgetsDone(MemoryWorkLedger):
    """Moves the position and keeps no marks."""

    def mark_done(self, lease, handler, items, *, database, position):
        super().mark_done(lease, handler, [], database=database, position=position)


class MarksWithoutPosition(MemoryWorkLedger):
    """Keeps marks and leaves the position where it was."""

    def mark_done(self, lease, handler, items, *, database, position):
        super().mark_done(lease, handler, items, database=database, position=0)


class GoesBack(MemoryWorkLedger):
    """Takes any position as the new one."""

    def mark_done(self, lease, handler, items, *, database, position):
        super().mark_done(lease, handler, items, database=database, position=position)
        self._stream(handler, database).position = position


class LosesParked(MemoryWorkLedger):
    """Does not keep what waits behind a dead letter."""

    def bury(self, lease, handler, items, *, event_types, error, behind):
        if behind is None:
            super().bury(lease, handler, items, event_types=event_types, error=error, behind=behind)


class CountsNoAttempts(MemoryWorkLedger):
    """Every failure is the first."""

    def mark_failed(self, lease, handler, item, *, error):
        super().mark_failed(lease, handler, item, error=error)
        return 1


class PurgesEverything(MemoryWorkLedger):
    """Does not look at the horizon."""

    def purge(self, *, before):
        return sum(len(stream.done) for stream in self._streams.values() if not stream.done.clear())


class AppliesTwice(MemoryLineageStore):
    """Takes repeated deliveries again."""

    def _advance(self, database, position):
        super()._advance(database, position)
        return 0


class AuditsTwice(MemoryAuditStore):
    """Takes repeated deliveries again."""

    def _advance(self, database, position):
        super()._advance(database, position)
        return 0


class DropsTheLastEntry(MemoryAuditStore):
    """Loses the last of several."""

    def apply(self, database, entries, *, position):
        super().apply(database, entries[:-1] if len(entries) > 1 else entries, position=position)


class LeavesFinalStates(MemoryCommandStatuses):
    """Lets a completed command become something else."""

    def _apply(self, database, change):
        key = (change.command_id, database)
        if key in self._statuses:
            self._statuses[key] = replace(self._statuses[key], state=change.state)
        super()._apply(database, change)


class CountsMembersTwice(MemoryCommandStatuses):
    """Counts every final member again."""

    def _count(self, database, bulk_id, member):
        super()._count(database, bulk_id, member)
        super()._count(database, bulk_id, member)


class ReordersHistory(MemoryCommandStatuses):
    """Applies a batch backwards."""

    def apply(self, database, changes, *, position):
        super().apply(database, list(reversed(changes)), position=position)


class AliasesMemory(MemoryCommandStatuses):
    """Answers with what it keeps."""

    def get(self, command_id):
        return next((status for (known, _), status in self._statuses.items() if known == command_id), None)


BROKEN: list[tuple[ModuleType, str, Callable[[], Any]]] = [
    *(
        (test_work_ledger, "work", lambda kind=kind: kind(SystemClock()))
        for kind in (
            LetsZombiesMark,
            HandsOutLiveLeases,
            ForgetsDone,
            MarksWithoutPosition,
            GoesBack,
            LosesParked,
            CountsNoAttempts,
            PurgesEverything,
        )
    ),
    (test_read_models, "lineage", AppliesTwice),
    (test_read_models, "audit", AuditsTwice),
    (test_read_models, "audit", DropsTheLastEntry),
    *((test_read_models, "statuses", kind) for kind in (LeavesFinalStates, CountsMembersTwice, ReordersHistory, AliasesMemory)),
]


def failures(module: ModuleType, fixture: str, make: Callable[[], Any]) -> list[str]:
    """Run the contract tests that need nothing but `fixture` (and a database name); return the names of those that fail."""
    failed = []
    for number, (name, test) in enumerate(sorted(vars(module).items())):
        parameters = list(inspect.signature(test).parameters) if name.startswith("test_") else []
        if sorted(parameters) not in ([fixture], sorted([fixture, "db"])):
            continue
        values = {fixture: make(), "db": f"bites{number}"}
        try:
            test(**{parameter: values[parameter] for parameter in parameters})
        except (AssertionError, SpiceError, KeyError, TypeError, pytest.fail.Exception):
            failed.append(name)
    return failed


@pytest.mark.parametrize(("module", "fixture", "make"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_broken_adapter_makes_the_contract_red(module, fixture, make):
    assert failures(module, fixture, make)


@pytest.mark.parametrize(
    ("module", "fixture", "make"),
    [
        (test_work_ledger, "work", lambda: MemoryWorkLedger(SystemClock())),
        (test_read_models, "statuses", MemoryCommandStatuses),
        (test_read_models, "lineage", MemoryLineageStore),
        (test_read_models, "audit", MemoryAuditStore),
    ],
)
def test_sound_adapter_leaves_the_contract_green(module, fixture, make):
    assert failures(module, fixture, make) == []
