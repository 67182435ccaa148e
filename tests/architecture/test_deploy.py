"""The dashboard, the alert rules and the scrape configuration speak of metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from spice_core.settings import Settings

ROOT = Path(__file__).parents[2]
_OF_PROMETHEUS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
_OF_SCRAPES = {"instance", "job"}
_WORDS = {
    "sum", "max", "min", "by", "le", "rate", "topk", "histogram_quantile", "and", "on", "label_values",
}  # fmt: skip


def documented() -> dict[str, set[str]]:
    """Return the labels of every metric in the table of OPERATIONS.md; histograms as the series they are made of."""
    found: dict[str, set[str]] = {}
    text = (ROOT / "docs" / "OPERATIONS.md").read_text()
    for name, labels in re.findall(r"^\| `(spice_\w+)` \| [^|]+ \|([^|]*)\|", text, flags=re.MULTILINE):
        names = {label.strip() for label in labels.split(",") if label.strip()}
        found |= {name: names, f"{name}_bucket": {*names, "le"}, f"{name}_count": names, f"{name}_sum": names}
    return found


def problems(expression: str) -> list[str]:
    """Return the metrics and labels in a PromQL expression that do not exist."""
    known = documented()
    bare = re.sub(r'"[^"]*"', '""', expression)
    named = set(
        re.findall(r"(?:(?<=[({,]|\s)|^)([a-z_][a-z0-9_]*)(?=[\s{\[)=!<>]|$)", re.sub(r"\{[^}]*\}|\bby \([^)]*\)", "", bare))
    )
    wrong = [name for name in named - _WORDS if name not in known and name not in _OF_PROMETHEUS and not name.isdigit()]
    labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!=|=|!~)\s*\"", bare))
    for group in re.findall(r"\bby \(([^)]*)\)", bare):
        labels |= {label.strip() for label in group.split(",")}
    of_metrics = {label for name in named for label in known.get(name, ())} | _OF_SCRAPES
    return wrong + sorted(labels - of_metrics)


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "spice-harvester.json").read_text())
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_check_of_expressions_bites() -> None:
    assert problems('sum by (part) (rate(spice_part_gone{part="x"}[5m]))')
    assert problems("max by (colour) (spice_part_up)") == ["colour"]
    assert problems('spice_part_up{colour="red"} == 0') == ["colour"]
    assert problems("min by (part) (spice_part_up) == 0") == []


def test_dashboard_queries_only_metrics_and_labels_that_exist() -> None:
    expressions = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 20
    assert {expression: found for expression in expressions if (found := problems(expression))} == {}


def test_dashboard_shows_every_documented_metric() -> None:
    text = json.dumps(dashboard())
    names = {name for name in documented() if not name.endswith(("_bucket", "_count", "_sum"))}
    assert len(names) > 15
    assert [name for name in sorted(names) if name not in text] == []


def test_panels_of_the_dashboard_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_alerts_query_only_what_exists_and_say_what_to_do() -> None:
    assert {rule["alert"]: found for rule in rules() if (found := problems(rule["expr"]))} == {}
    assert all({"summary", "action"} <= set(rule["annotations"]) for rule in rules())
    assert {"SpiceRelayLag", "SpiceDeadLetters", "SpiceFolderLag", "SpiceIndexStale", "SpiceDiskFull"} <= {
        rule["alert"] for rule in rules()
    }


def test_scrape_targets_are_the_default_ports_and_the_rules_are_there() -> None:
    found = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    targets = {target for job in found["scrape_configs"] for item in job["static_configs"] for target in item["targets"]}
    settings = Settings(_env_file=None)
    ports = (settings.oms_port, settings.bff_port, settings.funnel_port, settings.worker_port)
    assert targets == {f"127.0.0.1:{port}" for port in ports}
    assert all((ROOT / "deploy" / name).exists() for name in found["rule_files"])
