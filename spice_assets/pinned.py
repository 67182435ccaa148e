"""Runs rebuild exactly the definitions that the code server had, whatever was added or deleted in between.

The only file that uses something of Dagster that is not public: without it a queued run reads the registry of another moment
and fails on an asset that its server knew. Tried with the pinned Dagster version; tests/assets holds it.
"""

import warnings
from collections.abc import Callable

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from spice_assets.catalogue import Catalogue

KEY = "spice_catalogue"


def pinned_definitions(read: Callable[[], Catalogue], build: Callable[[Catalogue], dg.Definitions]) -> dg.Definitions:
    """Build from what the load context pinned, else from what `read` returns now, and pin that."""
    context = DefinitionsLoadContext.get()
    is_pinned = context.load_type == DefinitionsLoadType.RECONSTRUCTION and KEY in context.reconstruction_metadata
    catalogue = Catalogue.from_json(context.reconstruction_metadata[KEY]) if is_pinned else read()
    text = catalogue.to_json()
    context.add_to_pending_reconstruction_metadata(KEY, text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return build(catalogue).with_reconstruction_metadata({KEY: text})
