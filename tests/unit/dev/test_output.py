"""The one stream of the supervisor: under the names of the parts for people, JSON lines for machines."""

import io
import json
from pathlib import Path

from spice_api.dev.output import Output


def test_lines_stand_under_the_names_of_their_parts(tmp_path: Path) -> None:
    stream = io.StringIO()
    Output(stream, log_dir=tmp_path, names=["oms", "workers"]).say("oms", "ready")
    assert stream.getvalue() == "oms     | ready\n"


def test_json_lines_pass_as_they_are_and_others_are_wrapped(tmp_path: Path) -> None:
    stream = io.StringIO()
    output = Output(stream, log_dir=tmp_path, names=["oms"], is_json=True)
    output.say("oms", '{"message":"ready","process":"oms"}')
    output.say("dagster", "{not json")
    output.say("spice", "Ctrl-C stops everything")
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"message": "ready", "process": "oms"},
        {"level": "info", "process": "dagster", "message": "{not json"},
        {"level": "info", "process": "spice", "message": "Ctrl-C stops everything"},
    ]
