"""Puts the read statements of the graph together: which versions a pin sees, of which classes, under which conditions."""

from collections.abc import Collection, Sequence
from typing import Any

from psycopg import sql

from spice_core.adapters.postgres.graph_filters import TRUE, Literal, behind_value, conditions, sort_expression
from spice_core.adapters.postgres.graph_writer import PREFIX_SHIFT
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.versioned_map import Pin
from spice_core.domain.graph import Direction
from spice_core.domain.paging import PageMark
from spice_core.domain.queries import Filter, Sort

_DOCUMENT = sql.SQL("(seen.value -> 'd')")
_FAR_DOCUMENT = sql.SQL("(other.value -> 'd')")


class PinnedQueries:
    """Statements over one pin. A pin on main's line alone reads one layer; else an overlay lies over the deepest layer."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self._sql = load_queries("graph_reads")

    def get(self) -> sql.Composed:
        """Key and value of the nodes of %(keys)s."""
        return self._fill("get", visible=self.visible("key.id"))

    def page_by_key(self, class_ids: Collection[str], filters: Sequence[Filter], after: str) -> sql.Composed:
        """Key and value in key order, behind `after`, %(offset)s, %(limit)s."""
        ranges = [self._fill("key_range", after=after, first=f"{name}/", last=f"{name}0") for name in sorted(set(class_ids))]
        visible = self.visible("candidate.id")
        joined = sql.SQL(" UNION ALL ").join(ranges)
        return self._fill("page_by_key", ranges=joined, visible=visible, conditions=conditions(filters, _DOCUMENT))

    def page_by_value(
        self, prefixes: Collection[int], filters: Sequence[Filter], sort: Sort, mark: PageMark | None
    ) -> sql.Composed:
        """Key, value and the text of the sort value in the order of `sort`, behind `mark`, %(offset)s, %(limit)s."""
        value = sort_expression(sort, _DOCUMENT)
        return self._scan(
            "page_by_value",
            prefixes,
            conditions=conditions(filters, _DOCUMENT),
            sort=value,
            behind=TRUE if mark is None else behind_value(mark, sort, value),
            direction=sql.SQL("DESC" if sort.descending else "ASC"),
        )

    def count(self, prefixes: Collection[int], filters: Sequence[Filter]) -> sql.Composed:
        """The number of nodes."""
        return self._scan("count", prefixes, conditions=conditions(filters, _DOCUMENT))

    def expand(
        self, predicate: str | None, direction: Direction, classes: Collection[str], filters: Sequence[Filter]
    ) -> sql.Composed:
        """Near key, predicate and far key of the links of %(keys)s; %(predicate)s and %(classes)s where asked, %(limit)s."""
        is_out = direction is Direction.OUT
        wanted = self._wanted(predicate, classes, sql.SQL("link.target" if is_out else "link.source"))
        if is_out:
            hops = self._fill("hops_out", visible=self.visible("near.id"), wanted=wanted)
        elif len(self._pin.layers) == 1:
            hops = self._fill("hops_in_layer", layer=self._pin.layers[0], number=self._pin.numbers[0], wanted=wanted)
        else:
            hops = self._fill("hops_in_chain", layers=list(self._pin.layers), numbers=list(self._pin.numbers), wanted=wanted)
        # A link seen from its target is one of a version that is seen: its source needs no proof.
        exists: sql.Composable = TRUE
        if is_out or filters:
            template = "EXISTS (SELECT FROM {} AS other WHERE other.value IS NOT NULL AND {})"
            exists = sql.SQL(template).format(self.visible("hop.far"), conditions(filters, _FAR_DOCUMENT))
        return self._fill("expand", hops=hops, exists=exists)

    def diff(self, other: Pin) -> sql.Composed:
        """Key and both values of the changed keys that differ between this pin and `other`."""
        after = PinnedQueries(other).visible("changed.key")
        return self._fill("diff", before=self.visible("changed.key"), after=after)

    def visible(self, key: str) -> sql.Composable:
        """The version of `key` (an SQL expression) that the pin sees, as a lateral subquery of no or one row."""
        if len(self._pin.layers) == 1:
            layer, number = self._pin.layers[0], self._pin.numbers[0]
            return self._fill("visible_in_layer", key=sql.SQL(key), layer=layer, number=number)
        layers, numbers = list(self._pin.layers), list(self._pin.numbers)
        return self._fill("visible_in_chain", key=sql.SQL(key), layers=layers, numbers=numbers)

    def _scan(self, name: str, prefixes: Collection[int], **parts: sql.Composable) -> sql.Composed:
        """All entries of some classes: for a branch, its few changes first, then what they leave of the deepest layer."""
        layers, numbers = list(self._pin.layers), list(self._pin.numbers)
        is_chain = len(layers) > 1
        entries = [
            self._fill(
                "entries_in_chain" if is_chain else "entries_in_layer",
                layer=layers[-1],
                number=numbers[-1],
                first=prefix << PREFIX_SHIFT,
                last=(prefix + 1) << PREFIX_SHIFT,
            )
            for prefix in sorted(set(prefixes))
        ]
        joined = sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(part) for part in entries)
        statement = self._fill(name, entries=joined, **parts)
        if not is_chain:
            return statement
        overlay = self._fill("overlay", layers=layers[:-1], numbers=numbers[:-1])
        return sql.Composed([overlay, sql.SQL(" "), statement])

    def _wanted(self, predicate: str | None, classes: Collection[str], far: sql.Composable) -> sql.Composable:
        parts = [TRUE]
        if predicate is not None:
            found = "(SELECT id FROM spice_graph.predicate WHERE repo = %(repo)s AND name = %(predicate)s)"
            parts.append(sql.SQL("link.predicate = " + found))
        if classes:
            found = "(SELECT id FROM spice_graph.prefix WHERE repo = %(repo)s AND name = ANY(%(classes)s::text[]))"
            parts.append(sql.SQL("({} >> {}) = ANY (ARRAY" + found + ")").format(far, PREFIX_SHIFT))
        return sql.SQL(" AND ").join(parts)

    def _fill(self, name: str, **parts: Any) -> sql.Composed:
        values = {part: value if isinstance(value, sql.Composable) else Literal(value) for part, value in parts.items()}
        return sql.SQL(self._sql[name]).format(**values)
