"""Conditions and orders over documents as SQL: the readings of `domain.matching`, made by the functions of the schema."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.abc import AdaptContext

from spice_core.domain.matching import Condition, condition, marked_value
from spice_core.domain.paging import PageMark
from spice_core.domain.queries import Filter, Kind, Operator, Sort

TRUE = sql.SQL("true")

_C = sql.SQL(' COLLATE "C"')
_COLLATED = frozenset({Kind.TEXT, Kind.DATE, Kind.TIMESTAMP})
_TYPES: Mapping[Kind, str] = {
    Kind.TEXT: "text",
    Kind.INTEGER: "numeric",
    Kind.NUMBER: "numeric",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "text",
    Kind.TIMESTAMP: "text",
    Kind.JSON: "jsonb",
}
_TEMPLATES: Mapping[Operator, str] = {
    Operator.EQ: "({value} = {operand}) IS TRUE",
    Operator.NE: "({value} = {operand}) IS NOT TRUE",
    Operator.GT: "({value} > {operand}) IS TRUE",
    Operator.GTE: "({value} >= {operand}) IS TRUE",
    Operator.LT: "({value} < {operand}) IS TRUE",
    Operator.LTE: "({value} <= {operand}) IS TRUE",
    Operator.IN: "({value} = ANY ({operand})) IS TRUE",
    Operator.NOT_IN: "({value} = ANY ({operand})) IS NOT TRUE",
    Operator.CONTAINS: "(strpos({value}, {operand}) > 0) IS TRUE",
    Operator.PREFIX: "starts_with({value}, {operand}) IS TRUE",
    Operator.IS_NULL: "{value} IS NULL",
    Operator.NOT_NULL: "{value} IS NOT NULL",
}


class Literal(sql.Literal):
    """A value within a statement that also has parameters: its percent signs are none."""

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        return super().as_bytes(context).replace(b"%", b"%%")


def conditions(filters: Sequence[Filter], document: sql.Composable) -> sql.Composable:
    """Return the SQL that holds where `document` (a jsonb expression) meets all `filters`.

    Raises:
        InvalidQuery: a filter cannot be asked (see `domain.matching.condition`).
    """
    parts = [_condition(asked, condition(asked), document) for asked in filters]
    return sql.SQL(" AND ").join(parts) if parts else TRUE


def sort_expression(sort: Sort, document: sql.Composable) -> sql.Composable:
    """Return the SQL of what is ordered by."""
    return _reading(sort.kind, sql.SQL("({} -> {})").format(document, Literal(sort.field)))


def behind_value(mark: PageMark, sort: Sort, value: sql.Composable) -> sql.Composable:
    """Return the SQL that holds for what comes after `mark`; nulls come last both ways.

    Raises:
        InvalidQuery: the mark holds no value of this kind.
    """
    further = sql.SQL("<" if sort.descending else ">")
    beyond_key = sql.SQL("key.key {} {}").format(further, Literal(mark.key))
    if mark.value is None:
        return sql.SQL("({} IS NULL AND {})").format(value, beyond_key)
    marked = _typed(marked_value(mark.value, sort.kind), sort.kind)
    template = "({value} {further} {marked} OR ({value} = {marked} AND {beyond_key}) OR {value} IS NULL)"
    return sql.SQL(template).format(value=value, further=further, marked=marked, beyond_key=beyond_key)


def _condition(asked: Filter, checked: Condition, document: sql.Composable) -> sql.Composable:
    """An array holds if an element holds; an empty one is null. The outer CASE keeps the scalar case cheap."""
    held = sql.SQL("({} -> {})").format(document, Literal(checked.field))
    template = (
        "CASE WHEN jsonb_typeof({held}) = 'array' AND {held} <> '[]'::jsonb"
        " THEN EXISTS (SELECT FROM jsonb_array_elements({held}) AS item (value) WHERE {of_item}) ELSE {of_value} END"
    )
    empty_is_null = sql.SQL("nullif({}, '[]'::jsonb)").format(held)
    return sql.SQL(template).format(
        held=held,
        of_item=_holds(asked, checked, sql.SQL("item.value")),
        of_value=_holds(asked, checked, empty_is_null if checked.kind is Kind.JSON else held),
    )


def _holds(asked: Filter, checked: Condition, held: sql.Composable) -> sql.Composable:
    value = _reading(checked.kind, held)
    return sql.SQL(_TEMPLATES[checked.operator]).format(value=value, operand=_operand(asked, checked))


def _operand(asked: Filter, checked: Condition) -> sql.Composable:
    if checked.operator in {Operator.IS_NULL, Operator.NOT_NULL}:
        return sql.SQL("")
    if checked.operator not in {Operator.IN, Operator.NOT_IN}:
        return _typed(asked.value if checked.kind is Kind.JSON else checked.operand, checked.kind)
    values = list(asked.value) if checked.kind is Kind.JSON else list(checked.operand)
    items = sql.SQL(", ").join(_typed(value, checked.kind) for value in values)
    return sql.SQL("ARRAY[{}]::{}[]").format(items, sql.SQL(_TYPES[checked.kind]))


def _typed(value: Any, kind: Kind) -> sql.Composable:
    literal = json.dumps(value) if kind is Kind.JSON else value
    return sql.SQL("{}::{}").format(Literal(literal), sql.SQL(_TYPES[kind]))


def _reading(kind: Kind, held: sql.Composable) -> sql.Composable:
    call = sql.SQL("spice_graph.{}({})").format(sql.Identifier(f"as_{kind}"), held)
    return call + _C if kind in _COLLATED else call
