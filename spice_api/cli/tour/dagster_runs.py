"""What Dagster did with the uploads: asked of its web server."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2

from spice_core.errors import SpiceError, Unavailable
from spice_core.ports.clock import Clock

_POLL_SECONDS = 2.0
_QUERY = """{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { timestamp runId }
    assetChecksOrError { ... on AssetChecks { checks { name } } } }
  runsOrError { ... on Runs { results { runId status startTime endTime assetSelection { path } } } } }"""

_EXECUTION = "{alias}: assetCheckExecutions(assetKey: {{path: {path}}}, checkName: {name}, limit: 1) {{ status }}"


class RunFailed(SpiceError):
    """A Dagster run of the demo failed."""

    code = "run_failed"


class DagsterRuns:
    """The runs and assets of one installation's Dagster."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = url
        self._clock = clock

    def wait_for(
        self, keys: Sequence[tuple[str, ...]], *, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> Mapping[str, Any]:
        """Wait until every asset of `keys` was materialized; return what Dagster knows then. Calls `meanwhile` between looks.

        Raises:
            RunFailed: a run failed, or they were not after `seconds`; names the assets or the run.
            Unavailable: the web server did not answer in that time.
        """
        wanted = set(keys)
        deadline = self._clock.monotonic() + seconds
        while True:
            found = self._ask(deadline)
            done = {tuple(node["assetKey"]["path"]) for node in found["assetNodes"] if node["assetMaterializations"]}
            runs = [run for run in found["runsOrError"].get("results", []) if _concerns(run, wanted)]
            failed = [run["runId"] for run in runs if run["status"] == "FAILURE"]
            if failed:
                raise RunFailed(f"Dagster run {failed[0]} failed; see {self._url}/runs/{failed[0]}")
            if wanted <= done and all(run["status"] == "SUCCESS" for run in runs):
                return found
            if self._clock.monotonic() > deadline:
                lacking = ", ".join("/".join(key) for key in sorted(wanted - done))
                raise RunFailed(f"after {seconds:.0f} s Dagster has not materialized {lacking}; see {self._url}")
            meanwhile()
            self._clock.sleep(_POLL_SECONDS)

    def checks(self, found: Mapping[str, Any], keys: Sequence[tuple[str, ...]]) -> Mapping[str, str]:
        """Return how the newest execution of each check of `keys` ended, by asset and check."""
        names = [
            (tuple(node["assetKey"]["path"]), check["name"])
            for node in found["assetNodes"]
            if tuple(node["assetKey"]["path"]) in keys
            for check in node["assetChecksOrError"].get("checks", [])
        ]
        asked = [
            _EXECUTION.format(alias=f"c{number}", path=json.dumps(path), name=json.dumps(name))
            for number, (path, name) in enumerate(names)
        ]
        answer = self._ask(self._clock.monotonic(), query=f"{{ {' '.join(asked)} }}")
        return {
            f"{'/'.join(path)} {name}": next((run["status"] for run in answer[f"c{number}"]), "NEVER")
            for number, (path, name) in enumerate(names)
        }

    def _ask(self, deadline: float, *, query: str = _QUERY) -> Mapping[str, Any]:
        """Return the web server's answer; it may still be starting."""
        while True:
            try:
                response = httpx2.post(f"{self._url}/graphql", json={"query": query}, timeout=60.0)
                break
            except httpx2.TransportError as error:
                if self._clock.monotonic() > deadline:
                    raise Unavailable(f"{self._url} does not answer: {error}") from error
                self._clock.sleep(_POLL_SECONDS)
        answer: Mapping[str, Any] = response.json()["data"]
        return answer


def _concerns(run: Mapping[str, Any], wanted: set[tuple[str, ...]]) -> bool:
    return any(tuple(key["path"]) in wanted for key in run["assetSelection"] or [])
