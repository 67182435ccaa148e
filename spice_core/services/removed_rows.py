"""Which rows of an earlier version make no instance any more: told by the ids of instances, not by how keys are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spice_core.domain.row_mapping import RowMapper
from spice_core.domain.shards import WHOLE, Shards
from spice_core.ports.table_engine import RowChange, TableEngine

_BATCH = 1000
_REMEMBERED_ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRows:
    """Compares earlier tables with `table` by the instances that rows make; `keep` is called while it works."""

    tables: TableEngine
    mapper: RowMapper
    table: Path
    keep: Callable[[], None]

    def since(self, old: Path, shards: Shards) -> Iterator[list[RowChange]]:
        """Yield the rows of an earlier table whose instances no added row makes, in batches.

        A row whose key is only written in another way is among the removed rows and among the added ones, there maybe in another
        shard. `_REMEMBERED_ROWS` removed rows at a time are held against all added ones: memory is bounded, and the added rows
        are read once for each so many removed ones.
        """
        gone: dict[str, RowChange] = {}
        for change in self._keys("removed", old, shards):
            instance = self.mapper.instance_id(change.before or {})
            if instance is not None:
                gone[instance] = change
            if len(gone) >= _REMEMBERED_ROWS:
                yield from self._not_added(gone, old)
                gone = {}
        yield from self._not_added(gone, old)

    def _not_added(self, gone: dict[str, RowChange], old: Path) -> Iterator[list[RowChange]]:
        """Take those out of `gone` whose instances added rows make, and yield the others in batches."""
        for change in self._keys("added", old, WHOLE) if gone else ():
            instance = self.mapper.instance_id(change.after or {})
            if instance is not None and gone.pop(instance, None) is not None and not gone:
                break
        changes = list(gone.values())
        for start in range(0, len(changes), _BATCH):
            yield changes[start : start + _BATCH]

    def _keys(self, kind: str, old: Path, shards: Shards) -> Iterator[RowChange]:
        """Yield the keys that were added, or removed, since an earlier table."""
        key = self.mapper.key_columns
        for batch in self.tables.changes(old, self.table, key=key, columns=key, batch=_BATCH, shards=shards):
            self.keep()
            yield from (change for change in batch if change.kind == kind)
