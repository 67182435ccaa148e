"""How a request gets to the platform: over HTTP to one of several processes, or straight into the command service."""

import itertools
import threading
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import quote

import httpx2

from spice_core.domain.naming import MAIN
from spice_core.errors import OptimisticConcurrencyConflict, RateLimited, SpiceError, Unavailable
from spice_core.services.submit_commands import CommandService
from spice_core.services.submit_rows import BulkRow
from tests.faults.requests import Answer, Fate, Kind, Record, Request

_LATER = {429, 503}


class Sender(Protocol):
    """Sends one request once."""

    def send(self, request: Request) -> Answer:
        """Return what became of it; `UNKNOWN` asks for the very same request again."""


class ServiceSender:
    """Calls the command service of this process."""

    def __init__(self, commands: CommandService) -> None:
        self._commands = commands

    def send(self, request: Request) -> Answer:
        """See `Sender.send`."""
        try:
            return Answer(Fate.ACCEPTED, number=self._call(request))
        except (Unavailable, RateLimited) as error:
            return Answer(Fate.UNKNOWN, code=error.code)
        except OptimisticConcurrencyConflict as error:
            return Answer(Fate.REFUSED, actual=error.actual_seq, code=error.code)
        except SpiceError as error:
            return Answer(Fate.REFUSED, code=error.code)

    def _call(self, asked: Request) -> int | None:
        origin: Any = {"command_id": asked.command_id}
        place = (asked.database, asked.branch, asked.class_id)
        commands, seq = self._commands, asked.expected_seq
        match asked.kind:
            case Kind.CREATE:
                return commands.create_instance(*place, asked.data, **origin).sequence_number
            case Kind.UPDATE:
                accepted = commands.update_instance(*place, asked.instance_id, asked.data, expected_seq=seq, **origin)
                return accepted.sequence_number
            case Kind.DELETE:
                return commands.delete_instance(*place, asked.instance_id, expected_seq=seq, **origin).sequence_number
            case Kind.BULK_CREATE:
                commands.bulk(*place, "create", [BulkRow(row) for row in asked.rows], **origin)
            case Kind.CREATE_BRANCH:
                commands.create_branch(asked.database, asked.branch, source=MAIN, **origin)
            case Kind.DELETE_BRANCH:
                commands.delete_branch(asked.database, asked.branch, **origin)
        return None


class HttpSender:
    """Sends to OMS processes in turn; answers that no client may ever get (5xx but 503) are problems of `record`."""

    def __init__(self, urls: Sequence[str], record: Record) -> None:
        self._clients = [httpx2.Client(base_url=f"{url}/api/v1", timeout=15) for url in urls]
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self._record = record

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()

    def send(self, request: Request) -> Answer:
        """See `Sender.send`."""
        with self._lock:
            client = self._clients[next(self._turns) % len(self._clients)]
        try:
            answer = self._call(client, request)
        except httpx2.HTTPError as error:
            return Answer(Fate.UNKNOWN, code=type(error).__name__)
        return self._read(answer, request)

    def _call(self, client: httpx2.Client, asked: Request) -> httpx2.Response:
        place = f"/instances/{asked.database}/async/{asked.class_id}"
        params: dict[str, Any] = {"branch": asked.branch}
        if asked.expected_seq is not None:
            params["expected_seq"] = asked.expected_seq
        instance = quote(asked.instance_id, safe="")
        named: dict[str, Any] = {"params": params, "headers": {"X-Command-Id": asked.command_id}}
        match asked.kind:
            case Kind.CREATE:
                return client.post(f"{place}/create", json={"data": dict(asked.data)}, **named)
            case Kind.UPDATE:
                return client.put(f"{place}/{instance}/update", json={"data": dict(asked.data)}, **named)
            case Kind.DELETE:
                return client.delete(f"{place}/{instance}/delete", **named)
            case Kind.BULK_CREATE:
                return client.post(f"{place}/bulk-create", json={"instances": [dict(row) for row in asked.rows]}, **named)
            case Kind.CREATE_BRANCH:
                del named["params"]
                return client.post(f"/branch/{asked.database}/create", json={"branch_name": asked.branch}, **named)
            case Kind.DELETE_BRANCH:
                del named["params"]
                return client.delete(f"/branch/{asked.database}/branch/{asked.branch}", **named)

    def _read(self, answer: httpx2.Response, request: Request) -> Answer:
        if answer.status_code in _LATER:
            return Answer(Fate.UNKNOWN, code=str(answer.status_code))
        if answer.status_code >= 500:
            self._record.problem(f"{request.kind} {request.command_id} was answered {answer.status_code}: {answer.text[:300]}")
            return Answer(Fate.UNKNOWN, code=str(answer.status_code))
        body = answer.json()
        if answer.status_code < 300:
            return Answer(Fate.ACCEPTED, number=(body.get("result") or {}).get("sequence_number"))
        if "command_id" in (body.get("details") or {}):
            return Answer(Fate.ACCEPTED, code=body["code"])  # a branch command: accepted, waited for, and failed
        detail = body.get("detail")
        actual = detail.get("actual_seq") if isinstance(detail, dict) else None
        return Answer(Fate.REFUSED, actual=actual, code=body.get("code", str(answer.status_code)))
