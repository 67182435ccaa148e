"""Shapes of databases."""

from datetime import datetime

from pydantic import BaseModel, Field

from spice_api.envelope import Strict


class CreateDatabase(Strict):
    """A database to create."""

    name: str = Field(description="3 to 50 of a-z, 0-9, _ and -, a letter first.", examples=["demo"], max_length=200)
    description: str = Field(default="", max_length=10_000)


class DatabaseBody(BaseModel):
    """One database."""

    name: str
    sequence_number: int = Field(description="Pass it as `expected_seq` to delete the database.")
    created_at: datetime
    branches: int


class DatabaseList(BaseModel):
    """All databases, by name."""

    databases: list[DatabaseBody]


class Existence(BaseModel):
    """Whether a database exists."""

    name: str
    exists: bool
