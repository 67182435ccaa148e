"""The workers' summaries: one per class and interval, however many events there were."""

import dagster as dg

from spice_assets.defs.projection.summaries import ObservedBranch, commit_of, count_changes, evaluate
from spice_core.domain.graph import Difference

KNOWN = [dg.AssetKey(["objects", "nyc", "Flight"]), dg.AssetKey(["search", "nyc", "Flight"])]


def observed(**changed):
    fields = {"changes": {"Flight": {"created": 5000}}, "instances": {"Flight": 9000}, "behind": {"search": 3}, **changed}
    return ObservedBranch("nyc", "main", "c2", **fields)


def test_changed_class_gets_one_line_per_asset():
    reports, cursor = evaluate(None, [observed()], known=KNOWN)
    assert [report.asset_key for report in reports] == KNOWN
    assert [report.metadata["created"].value for report in reports] == [5000, 5000]
    assert [report.metadata["events_behind"].value for report in reports] == [0, 3]
    assert commit_of(cursor, "nyc", "main") == "c2"


def test_summaries_observe_and_do_not_stand_before_what_runs_materialized():
    reports, _ = evaluate(None, [observed()], known=KNOWN)
    assert all(isinstance(report, dg.AssetObservation) for report in reports)
    assert all(not report.tags for report in reports)


def test_branch_seen_for_the_first_time_is_only_remembered():
    reports, cursor = evaluate(None, [observed(changes=None)], known=KNOWN)
    assert (reports, commit_of(cursor, "nyc", "main")) == ([], "c2")


def test_branch_that_did_not_move_keeps_its_commit():
    _, cursor = evaluate(None, [observed()], known=KNOWN)
    assert evaluate(cursor, [], known=KNOWN) == ([], cursor)


def test_class_without_an_asset_is_not_reported():
    assert evaluate(None, [observed(changes={"_Class": {"updated": 1}})], known=KNOWN)[0] == []


def test_changes_are_counted_by_class_and_kind():
    differences = [
        Difference("Flight/1", None, "after"),  # type: ignore[arg-type]
        Difference("Flight/2", "before", "after"),  # type: ignore[arg-type]
        Difference("Airport/3", "before", None),  # type: ignore[arg-type]
    ]
    assert count_changes(differences) == {"Flight": {"created": 1, "updated": 1}, "Airport": {"deleted": 1}}
