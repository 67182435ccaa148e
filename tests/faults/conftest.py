"""What fault tests stand on: a process server, and an installation of their own on each profile."""

from collections.abc import Iterator, Mapping

import pytest

from tests.faults.installation import Installation, installation
from tests.faults.nursery import Nursery, shared_nursery
from tests.journeys.profiles import full_profile


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    return shared_nursery()


@pytest.fixture(params=["embedded", pytest.param("full", marks=pytest.mark.full)])
def profile(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The settings of a profile: every part embedded, or every part that has an engine of its own on that engine."""
    return {} if request.param == "embedded" else full_profile(request)


@pytest.fixture
def empty_place(tmp_path, nursery, profile, clean_database) -> Iterator[Installation]:
    """An installation without a database."""
    with installation(tmp_path / "home", nursery, {**profile, "SPICE_POSTGRES_URL": clean_database}) as found:
        yield found


@pytest.fixture
def place(empty_place: Installation) -> Installation:
    """An installation with the database `shop` and its classes."""
    empty_place.set_up()
    return empty_place
