"""What makes a profile: the settings that put each part on an engine of its own, and a database to begin with."""

import uuid
from collections.abc import Mapping

import psycopg
import pytest


def full_profile(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """Return settings that name the real servers of this test run, with names that no other platform uses."""
    own = f"t{uuid.uuid4().hex[:10]}"
    s3, kafka = request.getfixturevalue("s3_server"), request.getfixturevalue("kafka_server")
    return {
        "SPICE_OBJECT_STORE": "s3",
        "SPICE_S3_ENDPOINT": s3.endpoint,
        "SPICE_S3_ACCESS_KEY": s3.access_key,
        "SPICE_S3_SECRET_KEY": s3.secret_key,
        "SPICE_S3_BUCKET": own,
        "SPICE_EVENT_FEED": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "SPICE_KAFKA_TOPIC_PREFIX": f"{own}.",
        "SPICE_SEARCH_INDEX": "elasticsearch",
        "ELASTICSEARCH_URL": request.getfixturevalue("elasticsearch_server").url,
        "SPICE_ELASTICSEARCH_INDEX_PREFIX": own,
        "REDIS_URL": request.getfixturevalue("redis_server").url,
        "SPICE_READ_WAIT_SECONDS": "30",
    }


def new_database(server: str, name: str) -> str:
    """Create an empty database on the PostgreSQL `server`; return its DSN. It goes with the server."""
    with psycopg.connect(server.replace("/spice?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return server.replace("/spice?", f"/{name}?")
