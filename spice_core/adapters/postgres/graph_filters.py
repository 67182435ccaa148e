"""Conditions and orders over documents as SQL: the readings of `domain.matching`, made by the functions of the schema.

Texts are put together from fixed parts only; every value becomes a parameter, so that one shape of a question is one
statement to the server.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from spice_core.domain.matching import Condition, condition, marked_value
from spice_core.domain.paging import PageMark
from spice_core.domain.queries import Filter, Kind, Operator, Sort

_TYPES: Mapping[Kind, str] = {
    Kind.TEXT: "text",
    Kind.INTEGER: "numeric",
    Kind.NUMBER: "numeric",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "text",
    Kind.TIMESTAMP: "text",
    Kind.JSON: "jsonb",
}
_READINGS: Mapping[Kind, str] = {
    Kind.TEXT: 'spice_graph.as_text({}) COLLATE "C"',
    Kind.INTEGER: "spice_graph.as_number({})",
    Kind.NUMBER: "spice_graph.as_number({})",
    Kind.BOOLEAN: "spice_graph.as_boolean({})",
    Kind.DATE: 'spice_graph.as_date({}) COLLATE "C"',
    Kind.TIMESTAMP: 'spice_graph.as_timestamp({}) COLLATE "C"',
    Kind.JSON: "spice_graph.as_json({})",
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
_LISTS = frozenset({Operator.IN, Operator.NOT_IN})
_NULLS = frozenset({Operator.IS_NULL, Operator.NOT_NULL})


class Parameters:
    """Values of one statement, each under a name of its own."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: Any, cast: str) -> str:
        """Keep `value` and return how the statement says it."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"%({name})s::{cast}"


class Fields:
    """The properties that a question reads, each taken out of the document once per row, as columns of `table`.

    Raises:
        InvalidQuery: a filter cannot be asked (see `domain.matching.condition`), on construction.
    """

    def __init__(
        self, parameters: Parameters, filters: Sequence[Filter], sort: Sort | None = None, *, table: str = "field"
    ) -> None:
        self._parameters = parameters
        checked = [(asked, condition(asked)) for asked in filters]
        names = dict.fromkeys([asked.field for asked in filters] + ([sort.field] if sort else []))
        self._columns = {name: f"{table}.f{number}" for number, name in enumerate(names)}
        self.conditions = " AND ".join(self._condition(*pair) for pair in checked) or "true"
        self.sort = _READINGS[sort.kind].format(self._columns[sort.field]) if sort else "NULL"

    def join(self, value: str) -> str:
        """Return the join that makes the columns out of `value`, a stored value; OFFSET keeps them from being made again."""
        return f"CROSS JOIN LATERAL (SELECT {', '.join(self.columns(value))} OFFSET 0) AS field" if self._columns else ""

    def columns(self, value: str) -> list[str]:
        """Return the expressions that make the columns out of `value`, a stored value."""
        paths = [(self._parameters.add(["d", name], "text[]"), column) for name, column in self._columns.items()]
        return [f"{value} #> {path} AS {column.partition('.')[2]}" for path, column in paths]

    def behind(self, mark: PageMark | None, sort: Sort) -> str:
        """Return what holds for the nodes after `mark`; nulls come last both ways.

        Raises:
            InvalidQuery: the mark holds no value of this kind.
        """
        if mark is None:
            return "true"
        further = "<" if sort.descending else ">"
        beyond_key = f"key.key {further} {self._parameters.add(mark.key, 'text')}"
        if mark.value is None:
            return f"({self.sort} IS NULL AND {beyond_key})"
        marked = self._parameters.add(marked_value(mark.value, sort.kind), _TYPES[sort.kind])
        return f"({self.sort} {further} {marked} OR ({self.sort} = {marked} AND {beyond_key}) OR {self.sort} IS NULL)"

    def _condition(self, asked: Filter, checked: Condition) -> str:
        """An array holds if an element holds; an empty one is null."""
        held = self._columns[asked.field]
        operand = self._operand(asked, checked)

        def holds(value: str) -> str:
            return _TEMPLATES[checked.operator].format(value=_READINGS[checked.kind].format(value), operand=operand)

        return (
            f"CASE WHEN jsonb_typeof({held}) = 'array' AND {held} <> '[]'::jsonb"
            f" THEN EXISTS (SELECT FROM jsonb_array_elements({held}) AS item (value) WHERE {holds('item.value')})"
            f" ELSE {holds(f'nullif({held}, {_EMPTY})' if checked.kind is Kind.JSON else held)} END"
        )

    def _operand(self, asked: Filter, checked: Condition) -> str:
        if checked.operator in _NULLS:
            return ""
        # Equal JSON values are compared by the server, which knows that 1 is 1.0.
        value = asked.value if checked.kind is Kind.JSON else checked.operand
        if checked.operator not in _LISTS:
            return self._parameters.add(json.dumps(value) if checked.kind is Kind.JSON else value, _TYPES[checked.kind])
        items = [json.dumps(item) for item in value] if checked.kind is Kind.JSON else list(value)
        return self._parameters.add(items, f"{_TYPES[checked.kind]}[]")


_EMPTY = "'[]'::jsonb"
