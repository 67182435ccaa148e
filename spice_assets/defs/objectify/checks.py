"""Whether every link of a class leads somewhere."""

from collections.abc import Iterator

import dagster as dg

from spice_assets.catalogue import ClassEntry
from spice_assets.checks import check_of
from spice_assets.names import OBJECTS, asset_key
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.domain.graph import Node
from spice_core.ports.graph_store import GraphView

_PAGE = 1000
_SAMPLES = 10


def object_checks(entry: ClassEntry) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one class; what is downstream stops at a dangling link where a mapping demands its targets."""
    demands = any(mapping.on_missing_target == "fail" for mapping in entry.mappings)

    @check_of(
        asset_key(OBJECTS, entry.database, entry.branch, entry.class_id),
        description="Every link of every instance leads to an instance that exists.",
        blocking=demands,
    )
    def no_dangling_links(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        view = platform.get().graph.view(entry.database, entry.branch)
        checked, dangling = _dangling(view, entry.class_id)
        return dg.AssetCheckResult(
            passed=not dangling,
            description=_told(checked, len(dangling), entry.class_id),
            metadata={
                "links": checked,
                "dangling": len(dangling),
                **tables_of(samples=[{"missing": key} for key in sorted(dangling)[:_SAMPLES]]),
                "commit": view.commit.id,
            },
        )

    return [no_dangling_links]


def _told(links: int, dangling: int, class_id: str) -> str:
    if not dangling:
        return f"{links:,} links, and each target exists."
    return (
        f"{dangling:,} instances that {class_id} links to do not exist. Bring their data in, or upload a version of {class_id}'s "
        "data that does not name them."
    )


def _dangling(view: GraphView, class_id: str) -> tuple[int, set[str]]:
    """Return how many links there are, and the targets that do not exist; each target is looked up once."""
    checked = 0
    known: set[str] = set()
    dangling: set[str] = set()
    for nodes in _pages(view, class_id):
        targets = [target for node in nodes for found in node.links.values() for target in found]
        checked += len(targets)
        unseen = set(targets) - known - dangling
        existing = set(view.get(unseen)) if unseen else set()
        known |= existing
        dangling |= unseen - existing
    return checked, dangling


def _pages(view: GraphView, class_id: str) -> Iterator[list[Node]]:
    after: str | None = None
    while True:
        page = view.page([class_id], after=after, limit=_PAGE)
        yield list(page.nodes)
        after = page.next_after
        if after is None:
            return
