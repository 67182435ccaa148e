"""Conditions on typed columns. A text is looked up by its beginning, which is indexed, and compared whole where that matters."""

from decimal import Decimal
from typing import Any

from psycopg import sql

from spice_core.adapters.postgres.search_tables import ClassTables, base_type, holds_array
from spice_core.domain.matching import Condition
from spice_core.domain.queries import Filter, Kind, Operator
from spice_core.domain.search_rules import is_long, json_digest

_HEAD = 256
_ORDER = {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}


def operand_of(asked: Filter, checked: Condition) -> str | list[str] | None:
    """Return the operand of a checked filter as the text of what its column holds."""
    if checked.operand is None:
        return None
    if checked.operator in {Operator.IN, Operator.NOT_IN}:
        values = asked.value if checked.kind is Kind.JSON else checked.operand
        is_number = checked.kind is Kind.INTEGER
        return [operand_text(item, checked.kind) for item in values if not is_number or is_long(item)]
    return operand_text(asked.value if checked.kind is Kind.JSON else checked.operand, checked.kind)


def operand_text(value: Any, kind: Kind) -> str:
    """Return a comparable value (for JSON: the value) as text that casts to its column's type."""
    if kind is Kind.JSON:
        return json_digest(value)
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return str(int(value)) if kind is Kind.INTEGER and is_long(value) else str(value)


def column_condition(tables: ClassTables, checked: Condition, operand: str | list[str] | None) -> sql.Composable:
    """Return the SQL condition (on alias `m`) of one filter; the operand is a literal cast to the column's type."""
    item, name = tables.columns[checked.field]
    column = sql.SQL("m.{}").format(sql.Identifier(name))
    kind = base_type(item.kind)
    if item.kind is Kind.INTEGER and isinstance(operand, str) and not is_long(Decimal(operand)):
        if checked.operator in {Operator.EQ, Operator.NE}:
            return sql.SQL("true" if checked.operator is Operator.NE else "false")
        kind = base_type(Kind.NUMBER)
    if isinstance(operand, list):
        value: sql.Composable = sql.SQL("{}::{}[]").format(sql.Literal(operand), kind)
    else:
        value = sql.SQL("{}::{}").format(sql.Literal(operand), kind)
    has_head = item.kind is Kind.TEXT
    if holds_array(item):
        return _array_condition(column, checked.operator, value, operand, has_head=has_head)
    return _scalar_condition(column, checked.operator, value, operand, has_head=has_head)


def _scalar_condition(
    column: sql.Composable, operator: Operator, value: sql.Composable, operand: Any, *, has_head: bool
) -> sql.Composable:
    if operator is Operator.EQ and has_head:
        return sql.SQL('("left"({0}, 256) = {2} AND {0} = {1})').format(column, value, _head(operand))
    if operator is Operator.IN and has_head:
        return sql.SQL('("left"({0}, 256) = ANY ({2}) AND {0} = ANY ({1}))').format(column, value, _head(operand))
    template = {
        Operator.IS_NULL: "{0} IS NULL",
        Operator.NOT_NULL: "{0} IS NOT NULL",
        Operator.NE: "{0} IS DISTINCT FROM {1}",
        Operator.IN: "{0} = ANY ({1})",
        Operator.NOT_IN: "({0} IS NULL OR {0} <> ALL ({1}))",
    }.get(operator) or _comparison(operator)
    return sql.SQL(template).format(column, value)


def _array_condition(
    column: sql.Composable, operator: Operator, value: sql.Composable, operand: Any, *, has_head: bool
) -> sql.Composable:
    """A condition on an array holds if it holds for some element; a missing array is one null."""
    if operator in {Operator.EQ, Operator.IN}:
        many = value if operator is Operator.IN else sql.SQL("ARRAY[{}]").format(value)
        if not has_head:
            return sql.SQL("{} && {}").format(column, many)
        heads = _head(operand if isinstance(operand, list) else [operand])
        return sql.SQL("(spice_search.heads({0}) && {2} AND {0} && {1})").format(column, many, heads)
    template = {
        Operator.IS_NULL: "({0} IS NULL OR array_position({0}, NULL) IS NOT NULL)",
        Operator.NOT_NULL: "EXISTS (SELECT FROM unnest({0}) AS e WHERE e IS NOT NULL)",
        Operator.NE: "({0} IS NULL OR EXISTS (SELECT FROM unnest({0}) AS e WHERE e IS DISTINCT FROM {1}))",
        Operator.NOT_IN: "({0} IS NULL OR EXISTS (SELECT FROM unnest({0}) AS e WHERE e IS NULL OR e <> ALL ({1})))",
    }.get(operator)
    if template is not None:
        return sql.SQL(template).format(column, value)
    some = sql.SQL(_comparison(operator)).format(sql.SQL("e"), value)
    return sql.SQL("EXISTS (SELECT FROM unnest({}) AS e WHERE {})").format(column, some)


def _comparison(operator: Operator) -> str:
    if operator is Operator.PREFIX:
        return "starts_with({0}, {1})"
    if operator is Operator.CONTAINS:
        return "strpos({0}, {1}) > 0"
    return f"{{0}} {_ORDER.get(operator, '=')} {{1}}"


def _head(operand: Any) -> sql.Composable:
    if isinstance(operand, list):
        return sql.SQL("{}::text[]").format(sql.Literal([item[:_HEAD] for item in operand]))
    return sql.SQL("{}::text").format(sql.Literal(operand[:_HEAD]))
