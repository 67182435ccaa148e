"""A real process that appends to a log and says what was acknowledged; it can kill itself at any point of an append.

    python log_writer.py STORE DSN NAME COUNT [POINT OCCURRENCE]

Appends commands `NAME-0`, `NAME-1`, … of the aggregate `NAME`, each with its `expected_seq`, and prints `NAME-n position`
after each. With COUNT 0 it goes on until it is killed.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from event_log_world import DB, command

from spice_core.adapters.localfs.object_store import LocalObjectStore
from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.ledger import PostgresLedger
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.services.event_log.event_log import EventLog


def die_at(point: str, occurrence: int) -> None:
    """Arrange for SIGKILL before or after the `occurrence`-th call of what `point` names, such as `after os.link`."""
    when, _, name = point.partition(" ")
    owner: Any = {"os": os, "ledger": PostgresLedger, "log": EventLog}[name.partition(".")[0]]
    attribute = name.partition(".")[2]
    original: Callable[..., Any] = getattr(owner, attribute)
    calls = itertools.count(1)

    def deadly(*args: Any, **named: Any) -> Any:
        is_now = next(calls) == occurrence
        if is_now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **named)
        if is_now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, attribute, deadly)


def main() -> None:
    store, dsn, name, count, *crash = sys.argv[1:]
    postgres = Postgres(dsn, max_size=4)
    log = EventLog(
        store=LocalObjectStore(Path(store)),
        ledger=PostgresLedger(postgres),
        clock=SystemClock(),
        ids=RandomIds(),
        writer_id=name,
    )
    if not crash:
        log.start()
    log.append(DB, [command("start", event_id="start")], create=True)
    print("ready", flush=True)
    if crash:
        die_at(crash[0], int(crash[1]))
    number = log.number(DB, f"Instance|{name}")
    for step in itertools.count() if count == "0" else range(int(count)):
        asked = command(name, event_id=f"{name}-{step}", step=step)
        result = log.append(DB, [asked], expected={f"Instance|{name}": number + step})
        print(asked.event_id, result.events[0].position, flush=True)
        if crash:
            log.fold(DB)  # here and not in the background, so that the point is met at the same step every time
    log.close()


main()
