"""Strict JSON at the door: what no store can keep is refused before any route sees it."""

import json
import re
from collections.abc import Callable, Coroutine
from decimal import Decimal
from json import JSONDecodeError
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from spice_core.domain.value_numbers import InexactNumber

_MAX_DEPTH = 64
_LONGEST_INTEGER = 20
_MAY_LOSE_DIGITS = re.compile(rb"[0-9][0-9.]{15,}|[0-9][eE][+-]?[0-9]{3}")


def strict_json(body: bytes) -> Any:
    """Return the parsed body; a number that a double does not keep is an `InexactNumber`.

    Raises:
        JSONDecodeError: it is not strict JSON, or nested deeper than 64.
    """
    parsed = orjson.loads(body)
    _check(parsed, 0, may_hold_nul=b"\\u0000" in body)
    if _MAY_LOSE_DIGITS.search(body):
        return json.loads(body, parse_float=_number, parse_int=_integer)
    return parsed


class StrictJsonRequest(Request):
    """A request whose JSON holds no NaN, no Infinity, no lone surrogate, no NUL character and no deep nesting."""

    async def json(self) -> Any:
        """Return the parsed body.

        Raises:
            JSONDecodeError: it is not strict JSON, or nested deeper than 64.
        """
        return strict_json(await self.body())


class StrictJsonRoute(APIRoute):
    """A route that reads its body as `StrictJsonRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, given the strict request."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictJsonRequest(request.scope, request.receive))

        return handle_strictly


def _number(text: str) -> float:
    found = float(text)
    return found if Decimal(text) == Decimal(repr(found)) else InexactNumber(found)


def _integer(text: str) -> int | float:
    """Integers beyond 64 bits become doubles, as orjson has it."""
    is_short = len(text) <= _LONGEST_INTEGER
    return found if is_short and -(2**63) <= (found := int(text)) < 2**64 else _number(text)


def _check(value: Any, depth: int, *, may_hold_nul: bool) -> None:
    if depth > _MAX_DEPTH:
        raise JSONDecodeError(f"nested deeper than {_MAX_DEPTH}", "", 0)
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth, may_hold_nul=may_hold_nul)
            _check(item, depth + 1, may_hold_nul=may_hold_nul)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1, may_hold_nul=may_hold_nul)
    elif may_hold_nul and isinstance(value, str) and "\x00" in value:
        raise JSONDecodeError("a text holds a NUL character", "", 0)
