"""Links whose targets take one source only: what goes of them is gone before anything comes, so that targets can change hands."""

from collections.abc import Collection
from dataclasses import replace

from spice_core.domain.instances import checked_patch
from spice_core.domain.resolution import ResolvedClass
from spice_core.domain.row_mapping import RowMapper
from spice_core.errors import InvalidInput
from spice_core.services.objectify_plan import Plan
from spice_core.services.submit_rows import BulkRow


def exclusive_links(mapper: RowMapper) -> frozenset[str]:
    """Return the links of a mapping whose targets take one source only, and that an object may be without."""
    resolved = mapper.resolved
    return frozenset(
        name for name in mapper.has_many if resolved.relationships[name].is_exclusive and name not in resolved.required
    )


def released_links(plan: Plan, exclusive: Collection[str], resolved: ResolvedClass) -> list[BulkRow]:
    """Return of the updates of a plan only that `exclusive` links end.

    Objects that people edited keep theirs until their turn: a command says what becomes of all edits at once. So do those whose
    rows do not fit the class `resolved`: they will be rejected, and keep the last good state.
    """
    found = []
    for row in plan.updates:
        ground, _ = plan.grounds[str(row.instance_id)]
        if ground.node is not None and not ground.edits.fields:
            links = {name: None for name in exclusive if name in row.data and ground.node.links.get(name)}
            found += [replace(row, data=links)] if links and _fits(row, resolved) else []
    return found


def ended_by(rows: Collection[BulkRow], plan: Plan) -> tuple[list[BulkRow], list[BulkRow]]:
    """Return those of the released `rows` that are all that the plan has for their objects, and the others."""
    whole = {row.instance_id: row.data for row in plan.updates}
    done = [row for row in rows if whole[row.instance_id] == row.data]
    return done, [row for row in rows if whole[row.instance_id] != row.data]


def left_for_later(row: BulkRow, number: int) -> None:
    """An object that another writer changed meanwhile is planned when it is its turn."""


def _fits(row: BulkRow, resolved: ResolvedClass) -> bool:
    try:
        checked_patch(resolved, row.data)
    except InvalidInput:
        return False
    return True
