"""Who wins between a person's edit and a source: the rule for one field, and how edits are carried."""

from datetime import UTC, datetime, timedelta

import pytest

from spice_core.domain.object_edits import (
    Assertion,
    Edit,
    Verdict,
    edits_as_json,
    edits_of_json,
    is_of_source,
    settle,
    with_edits,
)

EDITED = datetime(2026, 1, 2, tzinfo=UTC)
OLDER, NEWER = Assertion(EDITED - timedelta(days=1)), Assertion(EDITED + timedelta(days=1))
EDIT = Edit(EDITED, "ann", said="a")


def test_without_an_edit_a_changed_value_is_written_and_an_unchanged_one_is_not():
    options = {"policy": "source_wins", "assertion": NEWER}
    assert settle("b", "a", None, has_changed=True, **options) is Verdict.WRITE
    assert settle("a", "a", None, has_changed=True, **options) is Verdict.NOTHING
    assert settle("b", "a", None, has_changed=False, **options) is Verdict.NOTHING


@pytest.mark.parametrize("policy", ["source_wins", "edit_wins", "newest"])
@pytest.mark.parametrize("has_changed", [True, False])
def test_an_edit_stands_while_the_source_says_what_it_said(policy: str, has_changed: bool):
    assert settle("a", "mine", EDIT, policy=policy, assertion=NEWER, has_changed=has_changed) is Verdict.NOTHING


@pytest.mark.parametrize(
    ("policy", "assertion", "verdict"),
    [
        ("source_wins", OLDER, Verdict.OVERWRITE),
        ("source_wins", NEWER, Verdict.OVERWRITE),
        ("edit_wins", NEWER, Verdict.REAPPLY),
        ("newest", NEWER, Verdict.OVERWRITE),
        ("newest", OLDER, Verdict.REAPPLY),
    ],
)
def test_where_the_source_says_something_else_the_policy_decides(policy: str, assertion: Assertion, verdict: Verdict):
    assert settle("b", "mine", EDIT, policy=policy, assertion=assertion, has_changed=True) is verdict


@pytest.mark.parametrize(
    ("policy", "made_at", "verdict"),
    [
        ("source_wins", NEWER.made_at, Verdict.OVERWRITE),
        ("edit_wins", NEWER.made_at, Verdict.KEEP),
        ("newest", NEWER.made_at, Verdict.OVERWRITE),
        ("newest", OLDER.made_at, Verdict.KEEP),
    ],
)
def test_a_forced_run_asserts_unchanged_values_too(policy: str, made_at: datetime, verdict: Verdict):
    assertion = Assertion(made_at, is_forced=True)
    assert settle("a", "mine", EDIT, policy=policy, assertion=assertion, has_changed=True) is verdict


def test_a_source_that_says_what_the_person_said_ends_the_edit_unless_edits_win():
    assert settle("mine", "mine", EDIT, policy="source_wins", assertion=NEWER, has_changed=True) is Verdict.CATCH_UP
    assert settle("mine", "mine", EDIT, policy="edit_wins", assertion=NEWER, has_changed=True) is Verdict.REAPPLY


def test_a_value_that_no_source_has_spoken_of_gives_way_to_the_first_one_unless_edits_win():
    edit = Edit(EDITED, None, is_said=False)
    assert settle("a", "mine", edit, policy="source_wins", assertion=NEWER, has_changed=True) is Verdict.OVERWRITE
    assert settle("a", "mine", edit, policy="edit_wins", assertion=NEWER, has_changed=True) is Verdict.REAPPLY


def test_edits_are_carried_in_a_source_and_read_back():
    edits = {"age": Edit(EDITED, "ann", 7), "note": Edit(EDITED, None, is_said=False), "city": Edit(EDITED, "bob", None)}
    assert edits_of_json(edits_as_json(edits)) == edits
    source = with_edits({"mapping_id": "m", "row": 1}, edits)
    assert with_edits(source, {}) == {"mapping_id": "m", "row": 1}


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        (None, False),
        ({}, False),
        ({"mapping_id": "m", "row": 1}, True),
        ({"link_type_id": "l"}, True),
        ({"mapping_id": "m", "removed": True}, False),
    ],
)
def test_only_a_row_of_a_mapping_or_link_type_speaks_for_a_source(source: dict[str, object] | None, verdict: bool):
    assert is_of_source(source) is verdict
