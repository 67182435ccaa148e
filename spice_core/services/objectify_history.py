"""What earlier runs of a mapping may have left in the graph: by shard the last success, and whatever was tried since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path

from spice_core.domain.datasets import ClassMapping, ObjectifyRun
from spice_core.domain.resolution import Ontology
from spice_core.domain.shards import Shards, shards_of, shards_of_text
from spice_core.ports.graph_store import GraphView
from spice_core.ports.registry import Registry
from spice_core.services.settled_graph import class_key

MISSING_TARGET = ".missing_target"
"""How the reason of a link ends whose target is not there, behind the name of the link."""
REPEATED_INSTANCE = "instance_id: invalid"
"""The reason of a row whose instance another row of its batch makes, too."""
_FIRST_LOOK = 100
_MOST_CELLS = 1024


@dataclass(frozen=True, slots=True)
class History:
    """The newest run that succeeded, None before the first, and the runs since then, newest first: each may have written."""

    succeeded: ObjectifyRun | None
    since: Sequence[ObjectifyRun]

    @property
    def version_ids(self) -> list[str]:
        """The versions whose rows may be in the graph, without repeats: that of the success first."""
        runs = [*([self.succeeded] if self.succeeded else []), *self.since]
        return list(dict.fromkeys(run.version_id for run in runs))

    @property
    def is_in_shards(self) -> bool:
        """Whether one of these runs had not all rows."""
        return any(run.shards for run in [*([self.succeeded] if self.succeeded else []), *self.since])

    @property
    def unfinished(self) -> list[ObjectifyRun]:
        """The runs that were started and never ended."""
        return [run for run in self.since if run.state == "running"]


@dataclass(frozen=True, slots=True)
class Part:
    """Shards of one history. `is_full`: every row of them is looked at.

    `stale_tables` are those of other versions whose rows may be in the graph, `old_table` (of version `old_version`) the one that
    it was last known to hold, save rows of it that were rejected.
    """

    shards: Shards
    is_full: bool
    old_version: str | None
    old_table: Path | None
    stale_tables: tuple[Path, ...]


def part_of(
    shards: Shards,
    history: History,
    tables: Mapping[str, Path],
    *,
    version_id: str,
    stated: tuple[int, str],
    full: bool,
) -> Part:
    """Say what shards are compared with.

    Nothing is relied on while a link waits for its target: that may have come without any row having changed.
    `tables` are those of the versions of their history that are still there, `stated` the version of the mapping and the state
    of its classes now.
    """
    last = history.succeeded
    old_table = tables.get(last.version_id) if last else None
    is_relied_on = last is not None and _is_settled(last) and old_table is not None and not history.since
    mapping_version, class_state = stated
    is_same = last is not None and last.mapping_version == mapping_version and last.class_state in {"", class_state}
    return Part(
        shards=shards,
        is_full=full or not is_relied_on or not is_same,
        old_version=last.version_id if last and old_table else None,
        old_table=old_table,
        stale_tables=tuple(tables[name] for name in tables if name != version_id),
    )


def _is_settled(run: ObjectifyRun) -> bool:
    """Whether nothing but other rows can change what a succeeded run has left: no link waits, and no row for another one."""
    return not any(reason.endswith(MISSING_TARGET) or reason == REPEATED_INSTANCE for reason in run.reasons)


def histories_of(registry: Registry, mapping: ClassMapping, shards: Shards, *, besides: str) -> list[tuple[Shards, History]]:
    """Read the history of `shards`, without the run `besides`: as far back as the newest success that covers each of them.

    Shards of one history come together; what they are together is `shards`.
    """
    limit = _FIRST_LOOK
    while True:
        found = registry.runs(mapping.database, mapping_id=mapping.mapping_id, limit=limit)
        runs = [(run, shards_of_text(run.shards)) for run in found if run.run_id != besides]
        histories = {cell: _history(cell, runs, mapping.version) for cell in shards.split(_fineness(shards, runs))}
        if len(found) < limit or all(history.succeeded for history in histories.values()):
            return _together(histories)
        limit *= 10


def _fineness(shards: Shards, runs: Sequence[tuple[ObjectifyRun, Shards]]) -> int:
    """A count whose shards each lie within one of every run; the own count where that were too many: what lies across two
    shards of a run is then taken to be covered by neither."""
    found = lcm(shards.count, *{others.count for _, others in runs})
    return found if found <= _MOST_CELLS else shards.count


def _history(cell: Shards, runs: Sequence[tuple[ObjectifyRun, Shards]], mapping_version: int) -> History:
    """The shards of another version of the mapping may be of another key: they may have touched any row, and cover none."""
    since: list[ObjectifyRun] = []
    for run, shards in runs:
        is_comparable = shards.is_whole or run.mapping_version == mapping_version
        if run.state == "succeeded" and is_comparable and shards.covers(cell):
            return History(run, since)
        if not is_comparable or shards.meets(cell):
            since.append(run)
    return History(None, since)


def _together(histories: Mapping[Shards, History]) -> list[tuple[Shards, History]]:
    found: dict[tuple[str | None, ...], tuple[list[Shards], History]] = {}
    for cell, history in histories.items():
        runs = (history.succeeded.run_id if history.succeeded else None, *(run.run_id for run in history.since))
        found.setdefault(runs, ([], history))[0].append(cell)
    return [
        (shards_of((number for cell in cells for number in cell.numbers), cells[0].count), history)
        for cells, history in found.values()
    ]


def class_state(view: GraphView, class_id: str, ontology: Ontology) -> str:
    """Return a text that is another one when a class changed on which the ids and links of `class_id` depend.

    A change of its key, or of a class that it links to, may have taken instances and links away without any row having changed.
    """
    names = {class_id, *(name for targets in ontology.resolve(class_id).targets.values() for name in targets)}
    above = {parent for name in names for parent in ontology.ancestors(name)}
    keys = {class_key(name): name for name in names | above}
    found = view.get(keys)
    return ",".join(f"{keys[key]}={found[key].sequence_number}" for key in sorted(found))
