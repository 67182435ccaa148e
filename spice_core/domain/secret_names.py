"""What may be kept as a secret."""

from spice_core.errors import InvalidInput

MAX_NAME = 500
MAX_VALUE = 100_000


def check_secret(name: str, value: str) -> None:
    """Raise `InvalidInput` for a name or value outside the bounds; the value is in no message."""
    if not 0 < len(name) <= MAX_NAME or "\x00" in name:
        raise InvalidInput(f"A secret's name has 1 to {MAX_NAME} characters.")
    if len(value) > MAX_VALUE:
        raise InvalidInput(f"A secret has up to {MAX_VALUE} characters.")
