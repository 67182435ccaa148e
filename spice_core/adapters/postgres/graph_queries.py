"""Puts the read statements of the graph together: which versions a pin sees, of which classes, under which conditions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from spice_core.adapters.postgres.graph_filters import Fields, Parameters
from spice_core.adapters.postgres.graph_writer import PREFIX_SHIFT
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.versioned_map import Pin
from spice_core.domain.graph import Direction, Hop
from spice_core.domain.paging import PageMark
from spice_core.domain.queries import Filter, Sort

_PRESENCE = "entry.value IS NOT NULL AS is_there"
_LINKS = ("entry.predicates", "entry.targets")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the values of its parameters."""

    text: bytes
    values: dict[str, Any]


class PinnedQueries:
    """Statements over one pin. A pin on main's line alone reads one layer; else an overlay lies over the deepest layer."""

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self._sql = load_queries("graph_reads")
        self._shape = "layer" if len(pin.layers) == 1 else "chain"
        self._pinned: dict[str, Any] = {
            "repo": pin.repo,
            "layer": pin.layers[-1],
            "number": pin.numbers[-1],
            "layers": list(pin.layers),
            "numbers": list(pin.numbers),
        }

    def get(self, keys: Collection[str]) -> Statement:
        """Key and value of the nodes of `keys`."""
        return self._statement("get", Parameters(), {"keys": list(keys)}, visible=self.visible("key.id"))

    def page_by_key(
        self, class_ids: Collection[str], filters: Sequence[Filter], after: str, *, offset: int, limit: int
    ) -> Statement:
        """Key and value in key order, behind `after`."""
        parameters = Parameters()
        bounds = [(max(after, f"{name}/"), f"{name}0") for name in sorted(set(class_ids))]
        ranges = [
            self._sql["key_range"].format(after=parameters.add(low, "text"), last=parameters.add(high, "text"))
            for low, high in bounds
            if low < high
        ] or [self._sql["no_keys"]]
        fields = Fields(parameters, filters)
        return self._statement(
            "page_by_key",
            parameters,
            {"offset": offset, "limit": limit},
            ranges=" UNION ALL ".join(ranges),
            visible=self.visible("candidate.id"),
            fields=fields.join("seen.value"),
            conditions=fields.conditions,
        )

    def page_by_value(
        self,
        prefixes: Collection[int],
        filters: Sequence[Filter],
        sort: Sort,
        mark: PageMark | None,
        *,
        offset: int,
        limit: int,
    ) -> Statement:
        """Key, value and the text of the sort value in the order of `sort`, behind `mark`."""
        parameters = Parameters()
        fields = Fields(parameters, filters, sort)
        return self._statement(
            "page_by_value",
            parameters,
            {"offset": offset, "limit": limit},
            overlay=self._overlay(),
            entries=self._entries(parameters, prefixes),
            fields=fields.join("seen.value"),
            conditions=fields.conditions,
            sort=fields.sort,
            behind=fields.behind(mark, sort),
            direction="DESC" if sort.descending else "ASC",
        )

    def count(self, prefixes: Collection[int], filters: Sequence[Filter]) -> Statement:
        """The number of nodes."""
        parameters = Parameters()
        fields = Fields(parameters, filters)
        return self._statement(
            "count",
            parameters,
            {},
            overlay=self._overlay(),
            entries=self._entries(parameters, prefixes),
            fields=fields.join("seen.value"),
            conditions=fields.conditions,
        )

    def expand(self, keys: Collection[str], hop: Hop, *, limit: int | None) -> Statement:
        """Near key, predicate and far key of the links of `keys`."""
        parameters = Parameters()
        fields = Fields(parameters, hop.filters, table="seen")
        far = _far(hop)
        # A link seen from its target belongs to a version that is seen: its source needs no proof.
        seen = self._visible_among(self._sql["hop_ids"], _PRESENCE, *fields.columns("entry.value"))
        proof = self._sql["far_exists"].format(visible=seen, conditions=fields.conditions)
        return self._statement(
            "expand",
            parameters,
            {"keys": list(keys)},
            asked=self._sql["asked_keys"],
            hops=self._hops(parameters, hop, "asked", f"near.key AS near, link.predicate, {far} AS far"),
            exists=proof if hop.direction is Direction.OUT or hop.filters else "true",
            limit=_limit(parameters, limit),
        )

    def reach(self, keys: Collection[str], hops: Sequence[Hop], *, limit: int | None) -> Statement:
        """Key and depth of the nodes that are reached from `keys`, level by level."""
        parameters = Parameters()
        names = ["asked", *(f"level{depth}" for depth in range(1, len(hops) + 1))]
        levels = []
        for depth, hop in enumerate(hops, start=1):
            fields = Fields(parameters, hop.filters, table="seen")
            level = self._sql["reach_level"].format(
                depth=depth,
                hops=self._hops(parameters, hop, names[depth - 1], f"{_far(hop)} AS id"),
                earlier=" UNION ALL ".join(self._sql["level_ids"].format(level=name) for name in names[:depth]),
                visible=self._visible_among(
                    self._sql["level_ids"].format(level=f"found{depth}"), _PRESENCE, *_LINKS, *fields.columns("entry.value")
                ),
                conditions=fields.conditions,
            )
            levels.append(level)
        reached = [self._sql["level_depths"].format(depth=depth, level=name) for depth, name in enumerate(names) if depth]
        return self._statement(
            "reach",
            parameters,
            {"keys": list(keys)},
            asked=self._sql["asked_keys"],
            levels=", ".join(levels),
            reached=" UNION ALL ".join(reached),
            limit=_limit(parameters, limit),
        )

    def diff(self, other: Pin, values: dict[str, Any]) -> Statement:
        """Key and both values of the changed keys that differ between this pin and `other`."""
        visible = self._sql["visible_in_chain"]
        more = {"to_layers": list(other.layers), "to_numbers": list(other.numbers), **values}
        part = {"key": "changed.key", "columns": "entry.value"}
        return self._statement(
            "diff",
            Parameters(),
            more,
            before=visible.format(**part, layers="layers", numbers="numbers"),
            after=visible.format(**part, layers="to_layers", numbers="to_numbers"),
        )

    def visible(self, key: str, *columns: str) -> str:
        """The version of `key` (an SQL expression) that the pin sees, as a lateral subquery of no or one row."""
        chosen = ", ".join(columns or ("entry.value",))
        return self._sql[f"visible_in_{self._shape}"].format(key=key, columns=chosen, layers="layers", numbers="numbers")

    def _visible_among(self, ids: str, *columns: str) -> str:
        """The versions of all keys of `ids` (a query) that the pin sees: key and `columns`."""
        return self._sql[f"visible_among_in_{self._shape}"].format(ids=ids, columns=", ".join(columns))

    def _hops(self, parameters: Parameters, hop: Hop, near: str, chosen: str) -> str:
        """The links of the nodes of `near` (a table with column id); `chosen` is what to return of them."""
        parts = []
        if hop.predicate is not None:
            parts.append(self._sql["wanted_predicate"].format(predicate=parameters.add(hop.predicate, "text")))
        if hop.target_classes:
            classes = parameters.add(list(hop.target_classes), "text[]")
            parts.append(self._sql["wanted_classes"].format(far=_far(hop), shift=PREFIX_SHIFT, classes=classes))
        wanted = " AND ".join(parts) or "true"
        if hop.direction is Direction.OUT and near != "asked":
            return self._sql["hops_out_of_level"].format(chosen=chosen, near=near, wanted=wanted)
        if hop.direction is Direction.OUT:
            visible = self.visible("near.id", *_LINKS)
            return self._sql["hops_out"].format(chosen=chosen, near=near, visible=visible, wanted=wanted)
        return self._sql[f"hops_in_{self._shape}"].format(chosen=chosen, near=near, wanted=wanted)

    def _entries(self, parameters: Parameters, prefixes: Collection[int]) -> str:
        """All entries of some classes: for a branch, its few changes first, then what they leave of the deepest layer."""
        template = self._sql[f"entries_in_{self._shape}"]
        ranges = [
            (parameters.add(prefix << PREFIX_SHIFT, "bigint"), parameters.add((prefix + 1) << PREFIX_SHIFT, "bigint"))
            for prefix in sorted(set(prefixes))
        ]
        return " UNION ALL ".join(f"({template.format(first=first, last=last)})" for first, last in ranges)

    def _overlay(self) -> str:
        return self._sql["overlay"] if self._shape == "chain" else ""

    def _statement(self, name: str, parameters: Parameters, values: dict[str, Any], **parts: str) -> Statement:
        text = self._sql[name].format(**parts)
        upper = {"upper_layers": self._pinned["layers"][:-1], "upper_numbers": self._pinned["numbers"][:-1]}
        return Statement(text.encode(), {**self._pinned, **upper, **parameters.values, **values})


def _far(hop: Hop) -> str:
    return "link.target" if hop.direction is Direction.OUT else "link.source"


def _limit(parameters: Parameters, limit: int | None) -> str:
    return "" if limit is None else f"LIMIT {parameters.add(limit, 'bigint')}"
