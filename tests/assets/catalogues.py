"""A fixed catalogue for tests: two datasets, two linked classes, link types, a branch, and names that Dagster does not like."""

from spice_assets.catalogue import Catalogue, ClassEntry, DatasetEntry, LinkEntry, MappingEntry

COLUMNS = (("faa", "string", False), ("name", "string", True))


def fixed_catalogue() -> Catalogue:
    """Return it; equal every time."""
    return Catalogue(
        datasets=(
            DatasetEntry("nyc", "main", "nyc:main:airports", "airports", "csv", COLUMNS),
            DatasetEntry("nyc", "main", "nyc:main:flights", "flights", "csv"),
            DatasetEntry("nyc", "try/out", "nyc:try/out:airports", "airports", "csv"),
            DatasetEntry("my-db", "main", "my-db:main:a-b", "a-b", "csv"),
            DatasetEntry("my-db", "main", "my-db:main:a_b", "a_b", "csv"),
        ),
        classes=(
            _class("nyc", "main", "Airport", "airports", ()),
            _class("nyc", "main", "Flight", "flights", ("Airport", "Plane")),
            _class("nyc", "try/out", "geo:Airport", "airports", ()),
        ),
        links=(
            LinkEntry("nyc", "main", "nyc:main:lands", "lands", 2, "foreign_key", "Flight", "Airport", "lands_at", "flights"),
            LinkEntry("nyc", "main", "nyc:main:meets", "meets", 1, "object_backed", "Airport", "Plane", "meets", "", "Flight"),
        ),
    )


def _class(database: str, branch: str, class_id: str, dataset: str, links_to: tuple[str, ...]) -> ClassEntry:
    return ClassEntry(
        database=database,
        branch=branch,
        class_id=class_id,
        description=f"A {class_id}.",
        properties=(("faa", "string", True),),
        links_to=links_to,
        mappings=(
            MappingEntry(
                f"m-{dataset}", 1, f"{database}:{branch}:{dataset}", "drop_link", "delete", ("faa",), (("faa", ("faa",)),)
            ),
        ),
        labels=(("faa", "FAA code"),),
    )
