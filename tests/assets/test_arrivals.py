"""The sensor's decision, without Dagster and without a registry."""

from dataclasses import replace

import dagster as dg

from spice_assets.defs.ingest.arrivals import (
    ObservedDatabase,
    ObservedDataset,
    ObservedLinkType,
    ObservedMapping,
    evaluate,
    position_of,
)

AIRPORTS = ObservedDataset("nyc:main:airports", "main", "airports", "v1")
MAPPING = ObservedMapping("m1", 1, "nyc:main:airports", "main", "Airport")


def everything(_key: dg.AssetKey) -> bool:
    return True


def keys(requests):
    return [[key.to_user_string() for key in selection] for _, _, selection in requests]


def test_nothing_observed_requests_nothing():
    assert evaluate(None, [], is_known=everything).requests == []


def test_new_upload_requests_its_file_and_version_once():
    observed = [ObservedDatabase("nyc", 7, [AIRPORTS])]
    first = evaluate(None, observed, is_known=everything)
    assert keys(first.requests) == [["raw/nyc/airports", "dataset/nyc/airports"]]
    assert evaluate(first.cursor, observed, is_known=everything).requests == []


def test_cursor_holds_the_log_position_of_each_database():
    observed = [ObservedDatabase("nyc", 7, [AIRPORTS]), ObservedDatabase("other", 3)]
    cursor = evaluate(None, observed, is_known=everything).cursor
    assert (position_of(cursor, "nyc"), position_of(cursor, "other"), position_of(cursor, "third")) == (7, 3, 0)
    assert position_of(None, "nyc") == 0


def test_run_key_follows_the_content_and_nothing_else():
    observed = [ObservedDatabase("nyc", 7, [AIRPORTS])]
    moved_on = [ObservedDatabase("nyc", 99, [AIRPORTS])]
    changed = [ObservedDatabase("nyc", 7, [replace(AIRPORTS, version_id="v2")])]
    run_keys = [evaluate(None, entry, is_known=everything).requests[0][1] for entry in (observed, moved_on, changed)]
    assert run_keys[0] == run_keys[1] != run_keys[2]


def test_new_version_requests_the_classes_that_are_filled_from_it():
    first = evaluate(None, [ObservedDatabase("nyc", 7, [AIRPORTS], [MAPPING])], is_known=everything)
    again = evaluate(
        first.cursor, [ObservedDatabase("nyc", 9, [replace(AIRPORTS, version_id="v2")], [MAPPING])], is_known=everything
    )
    expected = [["raw/nyc/airports", "dataset/nyc/airports", "objects/nyc/Airport", "search/nyc/Airport"]]
    assert keys(first.requests) == keys(again.requests) == expected


def test_edited_mapping_requests_its_class_alone():
    first = evaluate(None, [ObservedDatabase("nyc", 7, [AIRPORTS], [MAPPING])], is_known=everything)
    edited = [ObservedDatabase("nyc", 8, [AIRPORTS], [replace(MAPPING, version=2)])]
    assert keys(evaluate(first.cursor, edited, is_known=everything).requests) == [["objects/nyc/Airport", "search/nyc/Airport"]]


def test_what_is_not_loaded_yet_stays_due():
    observed = [ObservedDatabase("nyc", 7, [AIRPORTS], [MAPPING])]
    first = evaluate(None, observed, is_known=lambda key: key.path[0] in {"raw", "dataset"})
    assert keys(first.requests) == [["raw/nyc/airports", "dataset/nyc/airports"]]
    assert position_of(first.cursor, "nyc") == 0
    second = evaluate(first.cursor, observed, is_known=everything)
    assert position_of(second.cursor, "nyc") == 7
    assert keys(second.requests) == [["objects/nyc/Airport", "search/nyc/Airport"]]


def test_deleted_dataset_that_comes_again_is_new():
    first = evaluate(None, [ObservedDatabase("nyc", 7, [AIRPORTS])], is_known=everything)
    gone = evaluate(first.cursor, [ObservedDatabase("nyc", 8)], is_known=everything)
    assert keys(evaluate(gone.cursor, [ObservedDatabase("nyc", 9, [AIRPORTS])], is_known=everything).requests)


def test_database_that_is_left_out_keeps_its_place():
    first = evaluate(None, [ObservedDatabase("nyc", 7, [AIRPORTS])], is_known=everything)
    assert evaluate(first.cursor, [], is_known=everything).cursor == first.cursor


def test_dataset_without_a_version_waits():
    observed = [ObservedDatabase("nyc", 7, [replace(AIRPORTS, version_id=None)], [MAPPING])]
    assert evaluate(None, observed, is_known=everything).requests == []


def test_refused_mapping_is_told_once_and_its_dataset_still_runs():
    refused = replace(MAPPING, refusal="version 2 has other columns")
    observed = [ObservedDatabase("nyc", 7, [AIRPORTS], [refused])]
    first = evaluate(None, observed, is_known=everything)
    assert keys(first.requests) == [["raw/nyc/airports", "dataset/nyc/airports"]]
    assert [(key.to_user_string(), reason) for key, reason in first.refused] == [("objects/nyc/Airport", refused.refusal)]
    again = evaluate(first.cursor, observed, is_known=everything)
    assert (again.requests, again.refused, again.cursor) == ([], [], first.cursor)


def test_mapping_that_was_saved_again_for_the_new_columns_runs():
    refused = evaluate(None, [ObservedDatabase("nyc", 7, [AIRPORTS], [replace(MAPPING, refusal="no")])], is_known=everything)
    accepted = [ObservedDatabase("nyc", 8, [AIRPORTS], [replace(MAPPING, version=2)])]
    assert keys(evaluate(refused.cursor, accepted, is_known=everything).requests) == [
        ["objects/nyc/Airport", "search/nyc/Airport"]
    ]


def test_links_that_are_made_anew_are_followed_by_the_documents_of_their_class_where_it_has_some():
    link_type = ObservedLinkType("nyc:main:lands", 1, "main", "lands", "Flight", ["nyc:main:airports"])
    observed = [ObservedDatabase("nyc", 7, [AIRPORTS], [], [link_type])]
    chain = ["raw/nyc/airports", "dataset/nyc/airports", "links/nyc/lands"]
    assert keys(evaluate(None, observed, is_known=everything).requests) == [[*chain, "search/nyc/Flight"]]
    unmapped = evaluate(None, observed, is_known=lambda key: key.path[0] != "search")
    assert (keys(unmapped.requests), position_of(unmapped.cursor, "nyc")) == ([chain], 7)
