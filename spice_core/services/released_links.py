"""Links whose targets take one source only: what goes of them is gone before anything comes, so that targets can change hands."""

from collections.abc import Collection
from dataclasses import replace

from spice_core.domain.row_mapping import RowMapper
from spice_core.services.objectify_plan import Plan
from spice_core.services.submit_rows import BulkRow


def exclusive_links(mapper: RowMapper) -> frozenset[str]:
    """Return the links of a mapping whose targets take one source only."""
    return frozenset(name for name in mapper.has_many if mapper.resolved.relationships[name].is_exclusive)


def released_links(plan: Plan, exclusive: Collection[str]) -> list[BulkRow]:
    """Return of the updates of a plan only that `exclusive` links end.

    Objects that people edited keep theirs until their turn: a command says what becomes of all edits at once.
    """
    found = []
    for row in plan.updates:
        ground, _ = plan.grounds[str(row.instance_id)]
        if ground.node is not None and not ground.edits.fields:
            links = {name: None for name in exclusive if name in row.data and ground.node.links.get(name)}
            found += [replace(row, data=links)] if links else []
    return found


def ended_by(rows: Collection[BulkRow], plan: Plan) -> tuple[list[BulkRow], list[BulkRow]]:
    """Return those of the released `rows` that are all that the plan has for their objects, and the others."""
    whole = {row.instance_id: row.data for row in plan.updates}
    done = [row for row in rows if whole[row.instance_id] == row.data]
    return done, [row for row in rows if whole[row.instance_id] != row.data]


def left_for_later(row: BulkRow, number: int) -> None:
    """An object that another writer changed meanwhile is planned when it is its turn."""
