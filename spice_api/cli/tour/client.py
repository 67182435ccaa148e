"""The demo as a client: plain HTTP against the three apps."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import httpx2

from spice_core.errors import CommandNotFound, SpiceError, Unavailable

_TIMEOUT_SECONDS = 300.0
_WAIT = {"Prefer": "wait=60"}


class Refused(SpiceError):
    """The platform refused a request of the demo."""

    code = "refused"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"HTTP {status}: {problem.get('detail') or problem.get('title') or problem}", details=problem)
        self.status = status


class Api:
    """Requests to the apps of one installation; a refused one raises `Refused`, one that is not answered `Unavailable`."""

    def __init__(self, urls: Mapping[str, str], *, token: str | None) -> None:
        """`urls` holds the base address of `oms`, `bff` and `funnel`."""
        self._urls = urls
        headers = {"X-Admin-Token": token} if token else {}
        self._client = httpx2.Client(headers=headers, timeout=_TIMEOUT_SECONDS)

    def get(self, app: str, path: str, **parameters: Any) -> Any:
        """Return the answer to a GET of `/api/v1{path}`."""
        return self._send("GET", app, path, params=parameters)

    def post(self, app: str, path: str, body: Mapping[str, Any], *, wait: bool = False, **parameters: Any) -> Any:
        """Return the answer to a POST of JSON; with `wait` the server holds it until the command is final."""
        return self._send("POST", app, path, json=body, params=parameters, headers=_WAIT if wait else None)

    def put(self, app: str, path: str, body: Mapping[str, Any], *, wait: bool = False, **parameters: Any) -> Any:
        """Return the answer to a PUT of JSON."""
        return self._send("PUT", app, path, json=body, params=parameters, headers=_WAIT if wait else None)

    def upload(
        self, path: str, *, filename: str, content: BinaryIO, key: str, fields: Mapping[str, str], **parameters: Any
    ) -> Any:
        """Return the answer to the upload of one file, with `key` as its idempotency key."""
        files = {"file": (filename, content, "text/csv")}
        return self._send("POST", "bff", path, files=files, data=fields, params=parameters, headers={"Idempotency-Key": key})

    def instance(self, database: str, key: str) -> Mapping[str, Any]:
        """Return the instance at `key` (`Class/id`) with its `version` and its `data`."""
        found: Mapping[str, Any] = self.get("bff", f"/instance/{database}/instance/{key}")["data"]
        return found

    def completed(self, command_id: str) -> Mapping[str, Any]:
        """Return the status of a command that has ended well; waits for it.

        Raises:
            Refused: it failed.
            CommandNotFound: nobody knows it.
        """
        status = self._send("GET", "oms", f"/commands/{command_id}/status", headers=_WAIT)
        if not isinstance(status, Mapping):
            raise CommandNotFound(f"command {command_id} has no status")
        if status["status"] != "COMPLETED":
            raise Refused(200, {"detail": f"command {command_id} is {status['status']}: {status.get('error')}"})
        return status

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, method: str, app: str, path: str, **request: Any) -> Any:
        url = f"{self._urls[app]}/api/v1{path}"
        try:
            response = self._client.request(method, url, **{name: value for name, value in request.items() if value is not None})
        except httpx2.TransportError as error:
            raise Unavailable(f"{url} does not answer: {error}") from error
        answer = response.json() if response.content else {}
        if response.status_code >= httpx2.codes.BAD_REQUEST:
            raise Refused(response.status_code, answer)
        return answer
