"""The code location loads, and its keys are these."""

from urllib.parse import quote, urlsplit

import dagster as dg
import pytest
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from spice_api.auth import OPEN_PATHS
from spice_api.bff.main import app as bff_app
from spice_assets.catalogue import Catalogue, _described
from spice_assets.definitions import build_definitions, links_without_cycles
from spice_assets.links import Links
from spice_assets.pinned import KEY, pinned_definitions
from spice_assets.resources import PlatformSource
from spice_core.settings import Settings
from tests.assets.catalogues import fixed_catalogue


def never() -> PlatformSource:
    def fail():
        raise AssertionError("building definitions opens nothing")

    return PlatformSource(fail)


def build(catalogue: Catalogue) -> dg.Definitions:
    return build_definitions(catalogue, source=never(), links=Links(Settings()))


def graph_of(definitions: dg.Definitions):
    return definitions.get_repository_def().asset_graph


def test_definitions_of_an_empty_registry_load():
    definitions = build(Catalogue())
    dg.Definitions.validate_loadable(definitions)
    assert not graph_of(definitions).get_all_asset_keys()


def test_asset_keys_checks_and_groups_are_these(snapshot):
    definitions = build(fixed_catalogue())
    dg.Definitions.validate_loadable(definitions)
    graph = graph_of(definitions)
    assert {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "after": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
            "kinds": sorted(graph.get(key).kinds or ()),
        }
        for key in sorted(graph.get_all_asset_keys())
    } == snapshot


def test_every_asset_says_what_it_means_and_who_owns_it():
    graph = graph_of(build(fixed_catalogue()))
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        first, *rest = node.description.split("\n\n")
        assert first.endswith(".")
        assert not set(first) & set("*`#"), "lists show the first sentence as plain text"
        assert {part.partition(":")[0] for part in rest} >= {"Grain", "Freshness"}
        assert node.owners


def test_nodes_with_one_title_stand_in_different_groups():
    """The asset graph shows the last part of a key only."""
    graph = graph_of(build(fixed_catalogue()))
    main = [key for key in graph.get_all_asset_keys() if "." not in key.path[1]]
    titles = [(graph.get(key).group_name, key.path[-1]) for key in main]
    assert len(set(titles)) == len(titles)


def test_links_of_the_catalogue_open_in_a_browser():
    """They lead to the API's own pages, which need no token, at a request that there is."""
    graph = graph_of(build(fixed_catalogue()))
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert all(isinstance(node.metadata["api"], dg.UrlMetadataValue) for node in nodes)
    links = {value.value for node in nodes for value in node.metadata.values() if isinstance(value, dg.UrlMetadataValue)}
    made_of_settings = Links(Settings())
    links |= {getattr(made_of_settings, name)().value for name in vars(Links) if not name.startswith("_")}
    api = bff_app(Settings(_env_file=None), None).openapi()  # type: ignore[call-arg]
    operations = {
        f"#/{quote(operation['tags'][0])}/{operation['operationId']}"
        for path in api["paths"].values()
        for operation in path.values()
    }
    assert len(links) == 7
    for link in links:
        page, _, anchor = link.partition("#")
        assert urlsplit(page).path in OPEN_PATHS
        assert f"#{anchor}" in operations


def test_columns_are_described_by_the_labels_of_properties_and_their_origin():
    graph = graph_of(build(fixed_catalogue()))
    schema = graph.get(dg.AssetKey(["objects", "nyc", "Airport"])).metadata["dagster/column_schema"]
    assert [(column.name, column.description) for column in schema.columns] == [("faa", "FAA code, from faa of airports")]


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ({"label": {"en": "Flight"}}, ("", ())),
        ({"label": {"ko": "항공편"}, "description": "One departure."}, ("One departure.", ())),
        ({"label": "Departure"}, ("Departure", (("day", "Day of departure"),))),
    ],
)
def test_classes_and_properties_are_told_where_people_said_more_than_the_name(definition, told):
    label = "Day of departure" if told[1] else "day"
    definition = {**definition, "properties": [{"name": "day", "type": "date", "label": label}]}
    entry = _described("nyc", "main", "Flight", definition, [])
    assert (entry.description, entry.labels) == told


def test_classes_that_link_in_a_circle_still_have_an_order():
    catalogue = fixed_catalogue()
    airport, flight, _ = catalogue.classes
    circle = [type(airport)(**{**_fields(airport), "links_to": ("Flight", "Airport")}), flight]
    upstream = links_without_cycles(circle)
    assert sum(len(parents) for parents in upstream.values()) == 1


def _fields(entry):
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def test_catalogue_survives_its_text_form():
    catalogue = fixed_catalogue()
    assert Catalogue.from_json(catalogue.to_json()) == catalogue
    assert Catalogue.from_json(catalogue.to_json()).fingerprint == catalogue.fingerprint != Catalogue().fingerprint


@pytest.fixture
def load_context():
    """Sets the load context of one kind, as a Dagster process does, and puts the old one back."""
    before = DefinitionsLoadContext.get()
    yield lambda kind, metadata=None: DefinitionsLoadContext.set(
        DefinitionsLoadContext(kind, **({"repository_load_data": metadata} if metadata else {}))
    )
    DefinitionsLoadContext.set(before)


def test_run_rebuilds_the_registry_that_its_server_had(load_context):
    """A dataset added or deleted after the run was made does not change the run's definitions."""
    load_context(DefinitionsLoadType.INITIALIZATION)
    served = pinned_definitions(fixed_catalogue, build)
    repository = served.get_repository_def()
    load_data = repository.repository_load_data
    assert load_data is not None
    assert KEY in load_data.reconstruction_metadata

    load_context(DefinitionsLoadType.RECONSTRUCTION, load_data)
    again = pinned_definitions(Catalogue, build)
    assert graph_of(again).get_all_asset_keys() == graph_of(served).get_all_asset_keys()


def test_server_that_loads_anew_reads_the_registry(load_context):
    load_context(DefinitionsLoadType.INITIALIZATION)
    assert not graph_of(pinned_definitions(Catalogue, build)).get_all_asset_keys()
