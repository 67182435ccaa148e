"""What is new in the registry: the pure half of the sensor."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from spice_assets.names import DATASET, LINKS, OBJECTS, RAW, SEARCH, asset_key


@dataclass(frozen=True, slots=True)
class ObservedDataset:
    """One dataset with its newest version (None before the first)."""

    dataset_id: str
    branch: str
    name: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class ObservedMapping:
    """One mapping that runs by itself; `refusal` is why its gate does not let the newest version through, "" where it does."""

    mapping_id: str
    version: int
    dataset_id: str
    branch: str
    class_id: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ObservedLinkType:
    """One link type that is indexed by itself: when it, or what it is made of (`dataset_ids`), changes."""

    link_type_id: str
    version: int
    branch: str
    name: str
    class_id: str
    dataset_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ObservedReset:
    """A mapping or link type (`of`) whose instances or links a migration took away: `keys`, then `follow`, make them again.

    `refusal` is why that cannot be done now, "" where it can. `waits` are the mappings whose instances it links to and that
    cannot run now: when they can, it is run again.
    """

    of: str
    reset_id: str
    keys: tuple[dg.AssetKey, ...]
    follow: tuple[dg.AssetKey, ...] = ()
    refusal: str = ""
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedDatabase:
    """The registry of one database at a log position."""

    database: str
    position: int
    datasets: Sequence[ObservedDataset] = ()
    mappings: Sequence[ObservedMapping] = ()
    link_types: Sequence[ObservedLinkType] = ()
    resets: Sequence[ObservedReset] = ()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What to run, what a gate refused, and where to go on.

    Attributes:
        requests: a database, a run key and the assets: one per database, so that classes are filled in the order of their links.
        refused: the asset that is not run for a mapping, and why: told once per version and mapping.
    """

    requests: Sequence[tuple[str, str, Sequence[dg.AssetKey]]]
    refused: Sequence[tuple[dg.AssetKey, str]]
    cursor: str


@dataclass(frozen=True, slots=True)
class _Item:
    """Something that may be new: `content_id` tells one state of it from the next; `follow` run after `keys` where they exist."""

    name: str
    content_id: str
    keys: tuple[dg.AssetKey, ...]
    follow: tuple[dg.AssetKey, ...] = ()
    refused: tuple[dg.AssetKey, str] | None = None


def evaluate(cursor: str | None, observed: Sequence[ObservedDatabase], *, is_known: Callable[[dg.AssetKey], bool]) -> Arrivals:
    """Return a request for everything that was not requested yet, with a run key made of the content ids.

    The cursor holds per database the content ids that were requested, and the log position at which nothing was left to request:
    who observes may leave out a database that is still there. What this code location does not know yet (`is_known`) stays due
    until its definitions have been reloaded. Equal arguments give equal answers.
    """
    before: Mapping[str, Mapping[str, str]] = json.loads(cursor) if cursor else {}
    after: dict[str, Mapping[str, str]] = dict(before)
    requests: list[tuple[str, str, Sequence[dg.AssetKey]]] = []
    refused: list[tuple[dg.AssetKey, str]] = []
    for entry in observed:
        seen = dict(before.get(entry.database, {}))
        items = _items(entry)
        fresh = [item for item in items if seen.get(item.name) != item.content_id]
        due = [item for item in fresh if all(map(is_known, item.keys))]
        keys = {key: None for item in due for key in (*item.keys, *filter(is_known, item.follow))}
        if keys:
            requests.append((entry.database, _run_key(entry.database, due), list(keys)))
        refused += [item.refused for item in due if item.refused is not None]
        requested = {item.name: item.content_id for item in due}
        kept = {item.name: seen[item.name] for item in items if item.name in seen}
        position = str(entry.position) if len(due) == len(fresh) else seen.get("position", "0")
        after[entry.database] = {**kept, **requested, "position": position}
    return Arrivals(requests, refused, json.dumps(after, sort_keys=True))


def position_of(cursor: str | None, database: str) -> int:
    """Return the log position of `database` in a cursor, 0 where it has none."""
    return int(seen_of(cursor, database).get("position", 0))


def seen_of(cursor: str | None, database: str) -> Mapping[str, str]:
    """Return what a cursor holds of `database`: by name the content that was requested."""
    found: Mapping[str, str] = json.loads(cursor).get(database, {}) if cursor else {}
    return found


def content_of_reset(reset_id: str, *, is_refused: bool = False, waits: Sequence[str] = ()) -> str:
    """Return what tells one state of a reset from the next: one that can be run now is not the one that could not."""
    return " ".join([reset_id, *(["refused"] if is_refused else []), *(["without", *waits] if waits else [])])


def _items(entry: ObservedDatabase) -> list[_Item]:
    versions = {dataset.dataset_id: dataset.version_id for dataset in entry.datasets if dataset.version_id is not None}
    items = [
        _Item(
            name=f"dataset {dataset.dataset_id}",
            content_id=versions[dataset.dataset_id],
            keys=tuple(asset_key(kind, entry.database, dataset.branch, dataset.name) for kind in (RAW, DATASET)),
        )
        for dataset in entry.datasets
        if dataset.dataset_id in versions
    ]
    items += [
        _mapping_item(entry.database, mapping, versions[mapping.dataset_id])
        for mapping in entry.mappings
        if mapping.dataset_id in versions
    ]
    items += [
        _Item(
            name=f"link type {link_type.link_type_id}",
            content_id=" ".join([str(link_type.version), *(versions.get(name, "-") for name in link_type.dataset_ids)]),
            keys=(asset_key(LINKS, entry.database, link_type.branch, link_type.name),),
            follow=(asset_key(SEARCH, entry.database, link_type.branch, link_type.class_id),),
        )
        for link_type in entry.link_types
    ]
    return items + [_reset_item(reset) for reset in entry.resets]


def _mapping_item(database: str, mapping: ObservedMapping, version_id: str) -> _Item:
    keys = tuple(asset_key(kind, database, mapping.branch, mapping.class_id) for kind in (OBJECTS, SEARCH))
    return _Item(
        name=f"mapping {mapping.mapping_id}",
        content_id=f"{mapping.version} {version_id}",
        keys=() if mapping.refusal else keys,
        refused=(keys[0], mapping.refusal) if mapping.refusal else None,
    )


def _reset_item(reset: ObservedReset) -> _Item:
    return _Item(
        name=f"reset {reset.of}",
        content_id=content_of_reset(reset.reset_id, is_refused=bool(reset.refusal), waits=reset.waits),
        keys=() if reset.refusal else reset.keys,
        follow=() if reset.refusal else reset.follow,
        refused=(reset.keys[0], reset.refusal) if reset.refusal else None,
    )


def _run_key(database: str, due: Sequence[_Item]) -> str:
    text = json.dumps(sorted((item.name, item.content_id) for item in due))
    return f"{database} {hashlib.sha256(text.encode()).hexdigest()[:24]}"
