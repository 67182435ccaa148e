"""One check of one asset, under a name that is valid whatever the asset is called."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from spice_assets.names import op_name

CheckBody = Callable[..., dg.AssetCheckResult]


def check_of(key: dg.AssetKey, *, description: str, blocking: bool = False) -> Callable[[CheckBody], dg.AssetChecksDefinition]:
    """Turn a function into the check of its name on `key`; a `blocking` one that fails as an error stops what is downstream.

    Dagster's own decorator derives the step's name from the key, which refuses or confuses some of our names.
    """

    def make(body: CheckBody) -> dg.AssetChecksDefinition:
        name = body.__name__
        spec = dg.AssetCheckSpec(name, asset=key, description=description, blocking=blocking)
        decorate: Any = dg.multi_asset_check(name=op_name(key, name), specs=[spec])
        checks: dg.AssetChecksDefinition = decorate(body)
        return checks

    return make
