"""`spice api`: one of the apps, in this process."""

from importlib import import_module
from typing import Annotated, Literal

from cyclopts import Parameter


def api(name: Annotated[Literal["oms", "bff", "funnel"], Parameter(help="Which app.")]) -> int:
    """Run one of the apps until SIGTERM; requests under way are finished first.

    oms (8000) takes commands, bff (8002) is the public API, funnel (8003) infers types; OMS_PORT, BFF_PORT and FUNNEL_PORT
    change the ports.
    """
    import_module(f"spice_api.{name}.main").main()
    return 0
