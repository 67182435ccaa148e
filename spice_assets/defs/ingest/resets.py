"""What a reset of classes took away from mappings and link types, and whether they can make it again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from spice_assets.defs.ingest.arrivals import ObservedReset, content_of_reset
from spice_assets.names import LINKS, OBJECTS, SEARCH, asset_key
from spice_core.domain.catalogue_records import RecordKind
from spice_core.domain.class_resets import ClassReset, reset_of
from spice_core.domain.datasets import ClassMapping
from spice_core.domain.link_types import LinkType
from spice_core.ports.registry import Registry

Refusal = Callable[[ClassMapping], str]
"""Why a mapping cannot run on the newest version of its dataset, "" where it can."""


@dataclass(frozen=True, slots=True)
class _Makers:
    """The mappings that make the instances of classes that were reset: all of them, and those that cannot run."""

    all: Mapping[str, ClassMapping]
    refused: Mapping[str, str]

    def waited_for(self, resets: Sequence[ClassReset]) -> tuple[list[str], bool]:
        """Return the refused ones that make instances of `resets`, and whether there are no others."""
        classes = {(item.branch, item.class_id) for item in resets}
        found = [name for name, mapping in self.all.items() if (mapping.branch, mapping.class_id) in classes]
        refused = [name for name in found if name in self.refused]
        return refused, bool(refused) and len(refused) == len(found)


def observe_resets(
    registry: Registry,
    database: str,
    *,
    mappings: Sequence[ClassMapping],
    link_types: Sequence[LinkType],
    refusal: Refusal,
    seen: Mapping[str, str],
) -> list[ObservedReset]:
    """Return what there is to make again by `mappings` (that run by themselves, of datasets with a version) and `link_types`.

    A mapping is asked for its `refusal` unless what it has to make again was requested before, by `seen`.
    """
    resets = [reset_of(record) for record in registry.records(database, RecordKind.CLASS_RESET)]
    if not resets:
        return []
    touched = {item.mapping_id: (item, found) for item in mappings if (found := _of(resets, item))}
    refused = {
        name: why
        for name, (item, found) in touched.items()
        if seen.get(f"reset mapping {name}") != content_of_reset(found[0].reset_id) and (why := refusal(item))
    }
    making = {name: item for name, (item, found) in touched.items() if _is_maker(item, found)}
    makers = _Makers(making, {name: why for name, why in refused.items() if name in making})
    again = [_of_mapping(item, found, refused.get(name, ""), makers) for name, (item, found) in touched.items()]
    return again + [_of_link_type(item, found, makers) for item in link_types if (found := _of(resets, item))]


def _of(resets: Sequence[ClassReset], item: ClassMapping | LinkType) -> list[ClassReset]:
    """Return the resets that took something from `item`, newest first."""
    found = [one for one in resets if (one.is_of_link_type(item) if isinstance(item, LinkType) else one.is_of_mapping(item))]
    return sorted(found, key=lambda one: -one.position)


def _is_maker(mapping: ClassMapping, resets: Sequence[ClassReset]) -> bool:
    return any(item.class_id == mapping.class_id for item in resets)


def _of_mapping(mapping: ClassMapping, resets: Sequence[ClassReset], refusal: str, makers: _Makers) -> ObservedReset:
    keys = tuple(asset_key(kind, mapping.database, mapping.branch, mapping.class_id) for kind in (OBJECTS, SEARCH))
    waits, has_none = makers.waited_for([item for item in resets if item.class_id != mapping.class_id])
    if not refusal and has_none and mapping.mapping_id not in makers.all:
        refusal = _waiting(makers, waits)
    return ObservedReset(f"mapping {mapping.mapping_id}", resets[0].reset_id, keys, (), refusal, tuple(waits))


def _of_link_type(link_type: LinkType, resets: Sequence[ClassReset], makers: _Makers) -> ObservedReset:
    keys = (asset_key(LINKS, link_type.database, link_type.branch, link_type.name),)
    follow: tuple[dg.AssetKey, ...] = (asset_key(SEARCH, link_type.database, link_type.branch, link_type.class_id),)
    waits, has_none = makers.waited_for(resets)
    refusal = _waiting(makers, waits) if has_none else ""
    return ObservedReset(f"link type {link_type.link_type_id}", resets[0].reset_id, keys, follow, refusal, tuple(waits))


def _waiting(makers: _Makers, waits: Sequence[str]) -> str:
    classes = sorted({makers.all[name].class_id for name in waits})
    return f"waits for the instances of {', '.join(classes)}, which cannot be made again: {makers.refused[waits[0]]}"
