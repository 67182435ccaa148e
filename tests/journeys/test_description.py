"""The apps keep what their OpenAPI descriptions say, whatever is sent: no 5xx, no answer outside its schema."""

import itertools
from collections import Counter

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from running import Running
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = {"oms": 6, "bff": 4, "funnel": 8}
"""For each operation; the long twin of the test takes ten times as many."""
ENDLESS = r"/events$"
"""A stream answers for as long as its command runs; test_writing follows one."""


@pytest.fixture(params=["oms", "bff", "funnel"])
def app(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def known(oms: httpx2.Client, database: str) -> dict[str, str]:
    """Names that exist, so that half of what is sent gets past the look-ups."""
    rows = [{"customer_id": name, "name": name} for name in ("a", "b")]
    done = oms.post(f"/instances/{database}/async/Customer/bulk-create", json={"instances": rows}, headers={"Prefer": "wait=20"})
    return {
        "db_name": database,
        "database": database,
        "class_id": "Customer",
        "instance_id": "Customer/a",
        "start_class": "Customer",
        "node_id": "Customer/a",
        "root": "Customer/a",
        "branch": "main",
        "from_ref": "HEAD~1",
        "to_ref": "main",
        "command_id": done.json()["command_id"],
        "handler": "graph",
    }


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_fault_21_no_input_gives_a_5xx_or_an_undescribed_answer(
    running: Running, app: str, known: dict[str, str], times: int
) -> None:
    schema = schemathesis.openapi.from_url(f"{running.url(app)}/openapi.json").exclude(path_regex=ENDLESS)
    problems: list[str] = []
    statuses: Counter[int] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        numbers = itertools.count()

        @settings(
            max_examples=times * EXAMPLES[app],
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def attack(case: schemathesis.Case) -> None:
            if next(numbers) % 2:  # noqa: B023 - used up before the loop goes on
                use(known, case)
            response = case.call(timeout=30)
            statuses[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        try:
            attack()
        except* AssertionError as group:
            problems += [f"{operation.label}: {error}" for error in group.exceptions]
    assert not problems, "\n\n".join(problems)
    assert statuses[200] > 10, statuses


def use(known: dict[str, str], case: schemathesis.Case) -> None:
    """Put names that exist into the path and the query."""
    for part in (case.path_parameters, case.query):
        for name in (part or {}).keys() & known.keys():
            part[name] = known[name]
