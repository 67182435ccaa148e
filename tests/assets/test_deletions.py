"""Which runs are in vain once datasets are gone."""

import dagster as dg
import pytest

from spice_assets.defs.runs.deletions import is_in_vain, sources_of
from tests.assets.catalogues import fixed_catalogue

SOURCES = sources_of(fixed_catalogue())
ALL = [dg.AssetKey(["dataset", place, name]) for place, name in (("nyc", "airports"), ("nyc", "flights"), ("my-db", "a-b"))]


def gone(*names: str) -> list[dg.AssetKey]:
    return [key for key in ALL if "/".join(key.path[1:]) not in names]


def keys(text: str) -> list[dg.AssetKey]:
    return [dg.AssetKey(part.split("/")) for part in text.split()]


@pytest.mark.parametrize(
    ("run", "deleted", "expected"),
    [
        ("raw/nyc/airports dataset/nyc/airports", [], False),
        ("raw/nyc/airports dataset/nyc/airports", ["nyc/airports"], True),
        ("raw/nyc/airports objects/nyc/Airport search/nyc/Airport", ["nyc/airports"], True),
        ("objects/nyc/Airport", ["nyc/airports"], True),
        ("objects/nyc/Airport", ["nyc/flights"], False),
        ("raw/nyc/airports raw/nyc/flights", ["nyc/airports"], False),
        ("links/nyc/lands", ["nyc/flights"], True),
        ("links/nyc/meets", ["nyc/flights"], True),
        ("raw/nyc/unknown", [], True),
        ("objects/nyc/Unknown", [], False),
        ("", ["nyc/airports", "nyc/flights"], False),
    ],
)
def test_a_run_is_in_vain_when_all_its_datasets_are_gone(run, deleted, expected):
    assert is_in_vain(keys(run), SOURCES, gone(*deleted)) is expected
