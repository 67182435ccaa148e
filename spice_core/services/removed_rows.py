"""Which rows of an earlier version make no instance any more: told by the ids of instances, not by how keys are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spice_core.domain.row_mapping import Row, RowMapper
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
        """Yield the rows of an earlier table whose instances no row of the present one makes, in batches.

        A row whose key is only written in another way is among the removed rows and among the added ones, there maybe in another
        shard. `_REMEMBERED_ROWS` removed rows at a time are held against all added ones, and against all rows where two keys may
        be one: memory is bounded, and those rows are read once for each so many removed ones.
        """
        gone: dict[str, RowChange] = {}
        for change in self._changes("removed", old, shards):
            instance = self.mapper.instance_id(change.before or {})
            if instance is not None:
                gone[instance] = change
            if len(gone) >= _REMEMBERED_ROWS:
                yield from self._not_made(gone, old)
                gone = {}
        yield from self._not_made(gone, old)

    def _not_made(self, gone: dict[str, RowChange], old: Path) -> Iterator[list[RowChange]]:
        """Take those out of `gone` whose instances other rows make, and yield the rest in batches."""
        for row in self._rows(old) if gone else ():
            instance = self.mapper.instance_id(row)
            if instance is not None and gone.pop(instance, None) is not None and not gone:
                break
        changes = list(gone.values())
        for start in range(0, len(changes), _BATCH):
            yield changes[start : start + _BATCH]

    def _rows(self, old: Path) -> Iterator[Row]:
        """Yield the keys of the present table that may make instances of removed rows."""
        if self.mapper.is_key_spelled:
            for batch in self.tables.rows(self.table, self.mapper.key_columns, batch=_BATCH):
                self.keep()
                yield from batch
        else:
            yield from (change.after or {} for change in self._changes("added", old, WHOLE))

    def _changes(self, kind: str, old: Path, shards: Shards) -> Iterator[RowChange]:
        """Yield the keys that were added, or removed, since an earlier table: these come last."""
        key = self.mapper.key_columns
        for batch in self.tables.changes(old, self.table, key=key, columns=key, batch=_BATCH, shards=shards):
            self.keep()
            for change in batch:
                if change.kind == kind:
                    yield change
                elif change.kind == "removed":
                    return
