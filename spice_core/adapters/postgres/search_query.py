"""Pages, totals and facets: statements over the rows that meet a checked query."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg import sql

from spice_core.adapters.postgres.search_catalogue import Layer
from spice_core.adapters.postgres.search_filters import column_condition, operand_of, operand_text
from spice_core.adapters.postgres.search_tables import ClassTables, base_type, holds_array
from spice_core.adapters.postgres.search_text import TextCondition
from spice_core.adapters.postgres.search_visible import first_of_arms, visible_arms
from spice_core.domain.matching import comparable
from spice_core.domain.paging import PageMark
from spice_core.domain.queries import FacetRequest, Kind
from spice_core.domain.search import SearchQuery
from spice_core.domain.search_rules import MAX_TOTAL, NUMERIC, CheckedQuery, decimal_of, has_rank
from spice_core.errors import InvalidQuery

Columns = Callable[[ClassTables], sql.Composable]


@dataclass(frozen=True, slots=True)
class Statements:
    """The SQL of one checked query on one branch. Values stand in it as literals: it is executed without parameters."""

    query: SearchQuery
    checked: CheckedQuery
    classes: Mapping[str, ClassTables]
    chain: tuple[Layer, ...]
    text: TextCondition | None

    def count(self) -> sql.Composed:
        """One number: how many documents meet the query, up to one more than is counted exactly."""
        rows = sql.SQL(" UNION ALL ").join(self._arms(lambda _: sql.SQL("1")))
        return sql.SQL("SELECT count(*) FROM (SELECT FROM ({}) u LIMIT {}) c").format(rows, sql.Literal(MAX_TOTAL + 1))

    def page(self, *, is_small: bool) -> sql.Composed:
        """(key, sort value as text, rank) of up to one more than the asked documents.

        Of few documents all are found first and then ordered; else the planner might walk the whole class in order
        until it has met enough of them.
        """
        order = self._order()
        behind = sql.SQL("true") if self.checked.mark is None else self._behind(self.checked.mark)
        arms = self._arms(self._order_columns)
        wanted = self.query.offset + self.query.limit + 1
        rows = sql.SQL(" UNION ALL ").join(arms) if is_small else first_of_arms(arms, behind=behind, order=order, limit=wanted)
        return sql.SQL(
            "WITH u AS {materialized} ({rows}) SELECT u.key, u.value::text, u.rank FROM u WHERE {behind} ORDER BY {order}"
            " LIMIT {limit} OFFSET {offset}"
        ).format(
            materialized=_materialized(is_small=is_small),
            rows=rows,
            behind=behind,
            order=order,
            limit=sql.Literal(self.query.limit + 1),
            offset=sql.Literal(self.query.offset),
        )

    def facets(self, *, is_small: bool) -> sql.Composed:
        """(number of the facet, value as text, count), every facet in its order. Many documents are read once per facet."""
        requests = list(enumerate(self.checked.facets))
        facets = sql.SQL(" UNION ALL ").join(self._facet(number, request) for number, request in requests)
        arms = self._arms(lambda tables: sql.SQL(", ").join(self._facet_column(tables, *item) for item in requests))
        rows = sql.SQL(" UNION ALL ").join(arms)
        return sql.SQL("WITH f AS {} ({}) {}").format(_materialized(is_small=is_small), rows, facets)

    def _arms(self, columns: Columns) -> list[sql.Composed]:
        found = [visible_arms(tables, self.chain, columns(tables), self._condition(tables)) for tables in self.classes.values()]
        return [arm for arms in found for arm in arms]

    def _condition(self, tables: ClassTables) -> sql.Composable:
        asked = zip(self.query.filters, self.checked.conditions, strict=True)
        conditions = [column_condition(tables, checked, operand_of(item, checked)) for item, checked in asked]
        text = [self.text.condition] if self.text else []
        return sql.SQL(" AND ").join([sql.SQL("NOT m.is_deleted"), *conditions, *text])

    def _order_columns(self, tables: ClassTables) -> sql.Composable:
        value: sql.Composable = sql.SQL("NULL::text")
        if self.checked.sort is not None:
            value = sql.SQL("m.{}").format(sql.Identifier(tables.columns[self.checked.sort.field][1]))
        rank = self.text.rank if self.text and has_rank(self.checked) else sql.SQL("0")
        return sql.SQL("m.key AS key, {} AS value, {} AS rank").format(value, rank)

    def _order(self) -> sql.SQL:
        if has_rank(self.checked):
            return sql.SQL("u.rank DESC, u.key")
        if self.checked.sort is None:
            return sql.SQL("u.key")
        return sql.SQL("u.value DESC NULLS LAST, u.key DESC" if self.checked.sort.descending else "u.value NULLS LAST, u.key")

    def _behind(self, mark: PageMark) -> sql.Composable:
        """Return the condition of coming after `mark`: nulls are a second stage behind all values."""
        sort = self.checked.sort
        sign = sql.SQL("<" if sort is not None and sort.descending else ">")
        key = sql.SQL("u.key {} {}").format(sign, sql.Literal(mark.key))
        if has_rank(self.checked):
            rank = sql.Literal(int(mark.value or 0))
            return sql.SQL("(u.rank < {0} OR (u.rank = {0} AND {1}))").format(rank, key)
        if sort is None:
            return key
        if mark.value is None:
            return sql.SQL("(u.value IS NULL AND {})").format(key)
        kind = Kind.NUMBER if sort.kind is Kind.INTEGER else sort.kind
        at = sql.SQL("{}::{}").format(sql.Literal(_mark_text(mark.value, kind)), base_type(kind))
        return sql.SQL("(u.value {0} {1} OR (u.value = {1} AND {2}) OR u.value IS NULL)").format(sign, at, key)

    def _facet_column(self, tables: ClassTables, number: int, request: FacetRequest) -> sql.Composable:
        """Return the column of a facet; if it is an array in one of the classes, it is one in all."""
        item, name = tables.columns[request.field]
        column = sql.SQL("m.{}").format(sql.Identifier(name))
        if self._is_array(request) and not holds_array(item):
            column = sql.SQL("CASE WHEN {0} IS NOT NULL THEN ARRAY[{0}] END").format(column)
        return sql.SQL("{} AS {}").format(column, sql.Identifier(f"f{number}"))

    def _facet(self, number: int, request: FacetRequest) -> sql.Composable:
        column = sql.Identifier(f"f{number}")
        source = sql.SQL("f WHERE {} IS NOT NULL").format(column)
        value: sql.Composable = column
        if self._is_array(request):
            source = sql.SQL("f, LATERAL (SELECT DISTINCT e FROM unnest(f.{}) AS e WHERE e IS NOT NULL) AS x").format(column)
            value = sql.SQL("x.e")
        return sql.SQL(
            "(SELECT {}, {value}::text, count(*) AS n FROM {} GROUP BY {value} ORDER BY n DESC, {value} LIMIT {})"
        ).format(sql.Literal(number), source, sql.Literal(request.limit), value=value)

    def _is_array(self, request: FacetRequest) -> bool:
        return any(holds_array(tables.columns[request.field][0]) for tables in self.classes.values())


def _materialized(*, is_small: bool) -> sql.SQL:
    return sql.SQL("MATERIALIZED" if is_small else "NOT MATERIALIZED")


def _mark_text(value: str, kind: Kind) -> str:
    """Return a mark's value as its column's type reads it; a mark was signed by nobody."""
    if kind is Kind.TEXT:
        return value
    if kind is Kind.BOOLEAN and value in {"true", "false"}:
        return value
    found = decimal_of(value) if kind in NUMERIC else comparable(f"{value}Z" if kind is Kind.TIMESTAMP else value, kind)
    if found is None:
        raise InvalidQuery("`after` does not come from this query; start from the first page")
    return operand_text(found, kind)
