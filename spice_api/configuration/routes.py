"""Reading the settings of the running app."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr

from spice_api.admin_reads import audited_read
from spice_api.dependencies import PlatformDep
from spice_api.envelope import Envelope
from spice_api.json_route import StrictJsonRoute
from spice_core.settings import Settings

router = APIRouter(prefix="/api/v1/config", tags=["configuration"], route_class=StrictJsonRoute)

_MASK = "********"


class SettingsBody(BaseModel):
    """Every setting by name; a secret that is set shows as asterisks, one that is not as null."""

    settings: dict[str, Any]


class LimitsBody(BaseModel):
    """The limits that a client may meet."""

    max_request_bytes: int
    max_upload_bytes: int
    rate_limit: int | None = Field(description="Requests per window and principal; null where rates are not limited.")
    rate_limit_window_seconds: int
    graph_query_max_hops: int
    graph_query_max_limit: int
    graph_query_max_paths: int
    max_property_count: int
    read_wait_seconds: float


@router.get("/settings", dependencies=[Depends(audited_read)])
def show_settings(platform: PlatformDep) -> Envelope[SettingsBody]:
    """Return the settings in effect."""
    return Envelope(message="the settings in effect", data=SettingsBody(settings=masked(platform.settings)))


@router.get("/limits")
def show_limits(platform: PlatformDep) -> Envelope[LimitsBody]:
    """Return the limits that a client may meet."""
    settings = platform.settings
    values = {name: getattr(settings, name) for name in LimitsBody.model_fields}
    values["rate_limit"] = settings.rate_limit if settings.rate_limit_enabled else None
    return Envelope(message="the limits in effect", data=LimitsBody(**values))


def masked(settings: Settings) -> dict[str, Any]:
    """Return all settings as JSON values, secrets masked."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    plain = {name: value for name, value in values.items() if not isinstance(value, SecretStr)}
    secret = {name: _MASK for name, value in values.items() if isinstance(value, SecretStr)}
    shown = settings.model_dump(mode="json", include=set(plain))
    return dict(sorted({**shown, **secret}.items()))
