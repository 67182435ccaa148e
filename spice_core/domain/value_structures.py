"""Structured values in documents: JSON objects, places, shapes, vectors."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spice_core.domain.value_numbers import read_double
from spice_core.domain.value_texts import read_text

MAX_DEPTH = 20
MAX_ITEMS = 10_000

_PAIR = re.compile(r"\s*([+-]?[0-9]+(?:[.][0-9]+)?)\s*,\s*([+-]?[0-9]+(?:[.][0-9]+)?)\s*")
_SHAPES = frozenset({"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"})


def read_json(value: Any) -> Any:
    """Return a copy of a JSON value at most 20 levels deep and of at most 10,000 values."""
    copy, count = _copied(value, MAX_DEPTH)
    if count > MAX_ITEMS:
        raise ValueError(f"must hold at most {MAX_ITEMS} values")
    return copy


def read_object(value: Any) -> dict[str, Any]:
    """Return a copy of a JSON object (see `read_json`)."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a JSON object")  # noqa: TRY004 - every reader says what is wrong in one way
    found: dict[str, Any] = read_json(value)
    return found


def read_text_or_object(value: Any) -> Any:
    """Return text, or a JSON object: for what has both a short and a long form (an address, a file)."""
    return read_text(value) if isinstance(value, str) else read_object(value)


def read_place(value: Any) -> dict[str, float]:
    """Return `{"lat", "lon"}` in degrees, of that object, `latitude`/`longitude`, a GeoJSON point, or text `lat,lon`."""
    pair = _pair(value)
    if pair is None:
        raise ValueError('must be a place such as {"lat": 37.57, "lon": 126.98} or "37.57,126.98"')
    lat, lon = (read_double(part) for part in pair)
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise ValueError("must have a latitude within -90..90 and a longitude within -180..180")
    return {"lat": lat, "lon": lon}


def read_shape(value: Any) -> dict[str, Any]:
    """Return a GeoJSON geometry."""
    found = read_object(value)
    inside = "geometries" if found.get("type") == "GeometryCollection" else "coordinates"
    if found.get("type") not in _SHAPES or not isinstance(found.get(inside), list):
        raise ValueError("must be a GeoJSON geometry with type and coordinates")
    return found


def read_vector(value: Any) -> list[float]:
    """Return a list of finite numbers."""
    return [read_double(item) for item in checked_list(value)]


def checked_list(value: Any) -> Sequence[Any]:
    """Return `value` if it is a list of at most 10,000 items."""
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")  # noqa: TRY004 - every reader says what is wrong in one way
    if len(value) > MAX_ITEMS:
        raise ValueError(f"must have at most {MAX_ITEMS} items")
    return value


def _pair(value: Any) -> tuple[Any, Any] | None:
    if isinstance(value, str):
        found = _PAIR.fullmatch(value)
        return (float(found[1]), float(found[2])) if found else None
    match value:
        case {"lat": lat, "lon": lon, **rest} if not rest:
            return lat, lon
        case {"latitude": lat, "longitude": lon, **rest} if not rest:
            return lat, lon
        case {"type": "Point", "coordinates": [lon, lat], **rest} if not rest:
            return lat, lon
        case _:
            return None


def _copied(value: Any, depth: int) -> tuple[Any, int]:
    if depth == 0:
        raise ValueError(f"must be at most {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("must have text keys only")
        pairs = {read_text(key): _copied(item, depth - 1) for key, item in value.items()}
        return {key: copy for key, (copy, _) in pairs.items()}, 1 + sum(count for _, count in pairs.values())
    if isinstance(value, list | tuple):
        items = [_copied(item, depth - 1) for item in value]
        return [copy for copy, _ in items], 1 + sum(count for _, count in items)
    return _scalar(value), 1


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("must hold JSON values only: text, 64-bit and finite numbers, true, false, null, lists and objects")
