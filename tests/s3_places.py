"""Places of a test's own on an S3 server, and stores in them."""

import itertools
import uuid
from typing import Any

from spice_core.adapters.s3.object_store import S3ObjectStore
from spice_core.adapters.s3.options import S3Options
from spice_core.adapters.system.clock import SystemClock
from spice_core.adapters.system.id_source import RandomIds

BUCKET = "spice-tests"
_RUN = uuid.uuid4().hex[:8]
_NUMBERS = itertools.count()


def new_prefix() -> str:
    """A prefix that no other test of any run has."""
    return f"t-{_RUN}-{next(_NUMBERS)}"


def options_of(server: Any, **others: Any) -> S3Options:
    """Options for `server` (the fixture `s3_server`): one bucket for all tests, created when it is first opened."""
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    return S3Options(**{"bucket": BUCKET, "endpoint": server.endpoint, **keys, **others})


def open_s3(server: Any, *, prefix: str, **others: Any) -> S3ObjectStore:
    store = S3ObjectStore(options_of(server, prefix=prefix, **others), clock=SystemClock(), ids=RandomIds())
    store.check_bucket(creates=True)
    return store
