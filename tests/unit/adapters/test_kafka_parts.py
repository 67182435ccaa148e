"""The parts of the Kafka adapter that need no broker: offsets, buffer, headers, settings."""

import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_core.adapters.kafka.access import KafkaAccess
from spice_core.adapters.kafka.buffer import Carried, DeliveryBuffer
from spice_core.adapters.kafka.messages import place_of
from spice_core.adapters.kafka.offsets import PartitionOffsets
from spice_core.adapters.kafka.topics import TopicPlan, Topics
from spice_core.errors import ConfigurationError, FeedUnavailable


def carried(position: int, size: int = 10) -> Carried:
    return Carried(position, 1, f"e{position}", b"x" * size)


def test_committed_offset_is_the_next_message_of_the_contiguous_finished_ones():
    offsets = PartitionOffsets()
    for offset, database, position in ((5, "a", 1), (6, "b", 1), (7, "a", 2), (9, "b", 2)):
        offsets.saw(offset, database=database, position=position)
    assert offsets.finish({"b": 2}) is None
    assert offsets.unfinished({"b": 2}) == "a"
    assert offsets.finish({"a": 1, "b": 1}) == 7
    assert offsets.finish({"a": 1, "b": 2}) is None
    assert offsets.finish({"a": 2, "b": 2}) == 10
    assert len(offsets) == 0
    assert offsets.unfinished({}) is None


def test_messages_of_nobody_are_finished_when_they_are_read():
    offsets = PartitionOffsets()
    offsets.saw(0)
    offsets.saw(1, database="a", position=1)
    offsets.saw(2)
    assert offsets.finish({}) == 1
    assert offsets.finish({"a": 1}) == 3


def test_offsets_that_begin_anew_are_those_of_another_topic():
    offsets = PartitionOffsets()
    for offset in range(100, 200):
        offsets.saw(offset, database="a", position=offset)
    assert offsets.finish({"a": 150}) == 151
    offsets.saw(0, database="a", position=1)
    assert offsets.finish({"a": 1}) == 1


@given(st.integers(0, 2**32), st.integers(1, 300))
def test_no_offset_is_committed_before_all_up_to_it_are_finished(seed, count):
    dice, offsets = random.Random(seed), PartitionOffsets()
    messages = [(offset, dice.choice("abc"), dice.randint(1, 20)) for offset in range(count)]
    for offset, database, position in messages:
        offsets.saw(offset, database=database, position=position)
    positions = dict.fromkeys("abc", 0)
    for _ in range(20):
        positions[dice.choice("abc")] += dice.randint(0, 4)
        behind = offsets.finish(positions)
        if behind is not None:
            assert all(positions[database] >= position for _, database, position in messages[:behind])
    offsets.finish(dict.fromkeys("abc", 20))
    assert len(offsets) == 0


def test_buffer_gives_what_follows_without_a_gap():
    buffer = DeliveryBuffer(events_per_database=10, bytes_in_all=1_000)
    for position in (5, 2, 3, 2):
        assert buffer.add("a", carried(position))
    assert [one.position for one in buffer.run("a", after=1, limit=9)] == [2, 3]
    assert [one.position for one in buffer.run("a", after=1, limit=1)] == [2]
    assert buffer.run("a", after=3, limit=9) == []
    assert buffer.run("b", after=1, limit=9) == []


def test_full_buffer_takes_nothing_more_until_something_is_dropped():
    buffer = DeliveryBuffer(events_per_database=3, bytes_in_all=100)
    assert [buffer.add("a", carried(position)) for position in (1, 2, 3, 4)] == [True, True, True, False]
    assert not buffer.add("b", carried(1, 80))
    assert buffer.drop("a", up_to=2) == 2
    assert buffer.add("b", carried(1, 80))
    assert buffer.drop("a", beyond=0) == 1


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("database", b"shop")],
        [("database", b"shop"), ("log", b"x"), ("position", b"one"), ("segment", b"1"), ("event_id", b"e")],
        [("database", b"shop"), ("log", b"x"), ("position", b"0"), ("segment", b"1"), ("event_id", b"e")],
        [("database", b"\xff"), ("log", b"x"), ("position", b"1"), ("segment", b"1"), ("event_id", b"e")],
        [("database", None), ("log", b"x"), ("position", b"1"), ("segment", b"1"), ("event_id", b"e")],
    ],
)
def test_headers_that_are_not_ours_say_nothing(headers):
    assert place_of(headers) is None


def test_credentials_that_are_missing_are_named():
    with pytest.raises(ConfigurationError, match="KAFKA_USERNAME and KAFKA_PASSWORD"):
        KafkaAccess("x:1", security="SASL_SSL").check()
    with pytest.raises(ConfigurationError, match="KAFKA_CA_FILE"):
        KafkaAccess("x:1", security="SSL", ca_file=Path("/nowhere/ca.pem")).check()


def test_password_stays_out_of_what_is_printed():
    access = KafkaAccess("x:1", security="SASL_SSL", username="a", password="hunter2")  # noqa: S106 - nobody's
    assert "hunter2" not in repr(access)


@pytest.mark.parametrize("looks", [1, 3])
def test_topics_that_kafka_shows_late_are_waited_for(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    plan = TopicPlan(prefix="late-")
    shown = {name: SimpleNamespace(topic_id=name) for name in plan.names}
    answers = iter([{}, *[{plan.events: shown[plan.events]}] * looks, shown])
    topics, made = Topics(KafkaAccess("nowhere:1"), plan), []
    monkeypatch.setattr(topics, "_describe", lambda: next(answers))
    monkeypatch.setattr(topics, "_create", made.extend)
    for name in ("_compare", "_compare_retention"):
        monkeypatch.setattr(topics, name, lambda _: None)
    assert topics.ensure(may_create=True) == ",".join(plan.names)
    assert sorted(made) == sorted(plan.names)


def test_topics_that_kafka_never_shows_are_a_failure_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics(KafkaAccess("nowhere:1"), TopicPlan(), timeout_seconds=0.2)
    monkeypatch.setattr(topics, "_describe", dict)
    monkeypatch.setattr(topics, "_create", lambda _: None)
    with pytest.raises(FeedUnavailable, match="does not show them"):
        topics.ensure(may_create=True)
