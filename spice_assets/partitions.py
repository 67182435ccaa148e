"""Shards as partitions: those of a class have the same names in every run that was made for them."""

from collections.abc import Iterable

import dagster as dg

from spice_assets.catalogue import Catalogue
from spice_core.domain.shards import WHOLE, Shards, shards_of

_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def partitions_of(shards: int) -> dg.StaticPartitionsDefinition | None:
    """Return the partitions of a class in `shards`; None for one, which is no part. Another number gives other names."""
    return dg.StaticPartitionsDefinition(_names(shards)) if shards > 1 else None


def backfill_of(shards: int) -> dg.BackfillPolicy | None:
    """Return how several partitions of a class in `shards` are backfilled: neighbours in one run, which costs its start once."""
    return dg.BackfillPolicy.single_run() if shards > 1 else None


def shards_of_run(context: dg.AssetExecutionContext, shards: int) -> Shards:
    """Return what a step of a class in `shards` is to do: the run's partitions, or all where it names none."""
    if shards == 1 or not (context.has_partition_key or context.has_partition_key_range):
        return WHOLE
    names = _names(shards)
    return shards_of(map(names.index, context.partition_keys), shards)


def figures_of(context: dg.AssetExecutionContext, shards: int) -> str:
    """Return what the figures of a step are about: Dagster shows those of a run at each of its partitions."""
    if shards == 1:
        return "the class"
    if shards_of_run(context, shards).is_whole:
        return f"all {shards} partitions together"
    return ", ".join(context.partition_keys) + (" together" if len(context.partition_keys) > 1 else "")


def dependencies(keys: Iterable[dg.AssetKey], in_shards: frozenset[dg.AssetKey]) -> list[dg.AssetDep]:
    """Return that something follows `keys`; of those `in_shards` all partitions, since no two are cut at the same places."""
    every = dg.AllPartitionMapping()
    return [dg.AssetDep(key, partition_mapping=every if key in in_shards else None) for key in keys]


def tags_of_all(catalogue: Catalogue) -> dict[str, str]:
    """Return the tags of a run over all partitions; empty where nothing has any."""
    shards = max((entry.shards for entry in catalogue.classes), default=1)
    names = _names(shards)
    return {_RANGE_START: names[0], _RANGE_END: names[-1]} if shards > 1 else {}


def _names(shards: int) -> list[str]:
    width = len(str(shards))
    return [f"{number:0{width}}-of-{shards}" for number in range(shards)]
