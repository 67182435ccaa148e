"""Shapes of the health answers."""

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """One app."""

    service: str = Field(examples=["oms"])
    version: str = Field(examples=["0.1.0"])
    status: Literal["healthy", "degraded"]
    description: str


class HealthAnswer(BaseModel):
    """The app answers."""

    status: Literal["success"] = "success"
    message: str = "Service is healthy"
    data: Health


class Part(BaseModel):
    """One part of the platform: whether it answers, and what it said if not."""

    is_ready: bool
    error: str | None = None


class Readiness(BaseModel):
    """Whether every part behind the app answers."""

    status: Literal["ready", "not_ready"]
    parts: dict[str, Part]
