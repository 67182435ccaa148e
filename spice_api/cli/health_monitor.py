"""`spice health-monitor`: whether the three apps answer, looked at again and again."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import httpx2
from cyclopts import Parameter

from spice_api.cli.report import AsJson, print_json_line
from spice_api.dev.parts import reachable_host
from spice_core.errors import InvalidInput
from spice_core.settings import Settings, load_settings

INTERVAL_SECONDS = 30.0
TIMEOUT_SECONDS = 5.0
_UNAVAILABLE = 3


@dataclass(frozen=True, slots=True)
class Health:
    """What one app answered: `UP` (200), `ERROR` (it answered something else), `DOWN` (it did not answer)."""

    name: str
    status: Literal["UP", "DOWN", "ERROR"]
    message: str


def health_monitor(
    *,
    once: Annotated[bool, Parameter(negative="", help="Look once, and end.")] = False,
    interval: Annotated[float, Parameter(help="Seconds between two looks.")] = INTERVAL_SECONDS,
    as_json: AsJson = False,
) -> int:
    """Ask BFF, OMS and Funnel for their health every 30 seconds, until Ctrl-C.

    An app that does not answer within 5 seconds is DOWN. With `--once` the exit code is 0 if all are UP, else 3.
    """
    if interval <= 0:
        raise InvalidInput("--interval takes a number of seconds above 0")
    urls = addresses(load_settings())
    while True:
        began = time.monotonic()
        found = asyncio.run(look(urls))
        _show(found, as_json=as_json)
        if once:
            return 0 if all(item.status == "UP" for item in found) else _UNAVAILABLE
        time.sleep(max(0.0, began + interval - time.monotonic()))


def addresses(settings: Settings) -> dict[str, str]:
    """Return the address of each app's health, by its name."""
    host = reachable_host(settings)
    ports = {"BFF": settings.bff_port, "OMS": settings.oms_port, "Funnel": settings.funnel_port}
    return {name: f"http://{host}:{port}/health" for name, port in ports.items()}


async def look(urls: Mapping[str, str], *, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Health]:
    """Ask all apps at the same time; return their health in the order of `urls`."""
    async with httpx2.AsyncClient(timeout=timeout_seconds, trust_env=False) as client:
        return list(await asyncio.gather(*(_ask(client, name, url, timeout_seconds) for name, url in urls.items())))


async def _ask(client: httpx2.AsyncClient, name: str, url: str, seconds: float) -> Health:
    try:
        async with asyncio.timeout(seconds):
            answer = await client.get(url)
    except (httpx2.TimeoutException, TimeoutError):
        return Health(name, "DOWN", f"no answer within {seconds:g} s at {url}")
    except httpx2.ConnectError:
        return Health(name, "DOWN", f"nothing listens at {url}")
    except httpx2.HTTPError as error:
        return Health(name, "ERROR", f"{type(error).__name__} at {url}")
    if answer.status_code != 200:
        return Health(name, "ERROR", f"status {answer.status_code} at {url}")
    return Health(name, "UP", _message(answer))


def _message(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return "200"


def _show(found: Sequence[Health], *, as_json: bool) -> None:
    at = time.strftime("%Y-%m-%d %H:%M:%S")
    if as_json:
        print_json_line({"time": at, "is_up": all(item.status == "UP" for item in found), "services": [asdict(i) for i in found]})
        return
    lines = [f"[{at}] Health Check", *(f"  {item.name}: {item.status} - {item.message}" for item in found)]
    print("\n".join(lines), flush=True)
