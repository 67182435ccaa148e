"""Looking at a bucket: does it let us in, does it refuse a second writer, and what time is it there."""

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from spice_core.adapters.s3.object_store import S3ObjectStore
from spice_core.adapters.s3.options import S3Options
from spice_core.domain.findings import Finding, attempted, clock_finding
from spice_core.errors import ConfigurationError, ObjectNotFound, SlotTaken, SpiceError
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_PART = "s3"
_SECONDS = 5.0
_PROBES = "_probes/"


def inspect_s3(options: S3Options, *, clock: Clock, ids: IdSource) -> Iterator[Finding]:
    """Yield what is found of the bucket of `options`; writes one object and deletes it."""
    quick = replace(options, attempts=2, timeout_seconds=min(_SECONDS, options.timeout_seconds))
    try:
        store = S3ObjectStore(quick, clock=clock, ids=ids)
    except SpiceError as error:
        yield Finding(_PART, "down", error.message, "correct the setting")
        return
    try:
        reached = attempted(_PART, lambda: _reach(store, options), "is the server of SPICE_S3_ENDPOINT up?")
        yield reached
        yield from _clock(quick, clock)
        if reached.state == "ok":
            advice = "choose a store that keeps If-None-Match: * (AWS, MinIO, SeaweedFS), or switch that on (SPICE_S3_ENDPOINT)"
            yield attempted("s3 writes", lambda: _probe(store, ids), advice)
    finally:
        store.close()


def _reach(store: S3ObjectStore, options: S3Options) -> str:
    store.list_keys("", limit=1)
    return f"{options.place} lets us in"


def _probe(store: S3ObjectStore, ids: IdSource) -> str:
    """Write one key twice: the second put must be refused, and must leave the first one's bytes."""
    key = _PROBES + ids.new_id()
    store.put_if_absent(key, b"first")
    try:
        store.put_if_absent(key, b"second")
    except SlotTaken:
        if store.get(key) == b"first":
            return "of two writers of one key one wins"
    except ObjectNotFound:
        raise ConfigurationError("the bucket forgets what was written (SPICE_S3_BUCKET)") from None
    finally:
        store.delete(key)
    raise ConfigurationError("the bucket let a second put of one key through: it has no put-if-absent (SPICE_S3_BUCKET)")


def _clock(options: S3Options, clock: Clock) -> Iterator[Finding]:
    """Compare clocks by the `Date` header of any answer; a server that cannot be asked is told of elsewhere."""
    base = urlsplit(options.endpoint or f"https://s3.{options.region}.amazonaws.com")
    connection: http.client.HTTPConnection
    try:
        if base.scheme == "https":
            context = ssl.create_default_context(cadata=options.ca_certificates())
            connection = http.client.HTTPSConnection(base.netloc, timeout=options.timeout_seconds, context=context)
        else:
            connection = http.client.HTTPConnection(base.netloc, timeout=options.timeout_seconds)
    except (SpiceError, ssl.SSLError):
        return
    try:
        connection.request("HEAD", "/")
        theirs = parsedate_to_datetime(connection.getresponse().getheader("Date") or "").astimezone(UTC)
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return
    finally:
        connection.close()
    yield clock_finding(_PART, theirs=theirs, ours=_whole_seconds(clock))


def _whole_seconds(clock: Clock) -> datetime:
    return clock.now().replace(microsecond=0)
