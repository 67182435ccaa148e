"""The pages that describe an app work on a machine without the internet, and need no token."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spice_api.app import AppInfo, create_app
from spice_core.adapters.memory.rate_limiter import MemoryRateLimiter
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds
from spice_core.ports.tracer import SilentTracer
from spice_core.services.platform_metrics import PlatformMetrics
from spice_core.settings import load_settings


@pytest.fixture
def client() -> TestClient:
    settings = load_settings(_env_file=None, bff_admin_token="token")  # noqa: S106 - of this test only
    platform: Any = SimpleNamespace(
        settings=settings,
        clock=SystemClock(),
        ids=RandomIds(),
        log=None,
        rate_limiter=MemoryRateLimiter(SystemClock()),
        tracer=SilentTracer(),
        metrics=PlatformMetrics(),
    )
    info = AppInfo("bff", "Test", "A test app.", "Nothing but its description.")
    return TestClient(create_app(info, settings=settings, routers=[], platform=platform))


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_page_takes_everything_from_the_app_itself(client, page):
    with client:
        answer = client.get(page)
        assert answer.status_code == 200
        addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", answer.text)
        assert len(addresses) >= 2
        for address in addresses:
            assert address.startswith("/docs/assets/")
            found = client.get(address)
            assert found.status_code == 200
            assert len(found.content) > 1000
        assert "/openapi.json" in answer.text
        assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fcore.py"])
def test_nothing_else_of_the_package_is_served(client, name):
    with client:
        assert client.get(f"/docs/assets/{name}").status_code in {404, 422}
