"""What JSON encoders are told of values they do not know."""

from collections.abc import Mapping


def plain_value(value: object) -> object:
    """Return a mapping as a dict, a subclass of float as a float: an encoder's `default`. Raises `TypeError` for the rest."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
