"""Objects in a bucket."""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import obstore
from obstore.store import S3Store

from spice_core.adapters.s3.bucket import create_bucket
from spice_core.adapters.s3.failures import FAILURES, is_conflict, meaning
from spice_core.adapters.s3.options import S3Options
from spice_core.adapters.s3.retries import ResultT, Retries
from spice_core.domain.object_keys import checked_key, may_begin_key
from spice_core.errors import Closed, ConfigurationError, ObjectNotFound, SlotTaken, StoreUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource
from spice_core.ports.object_store import ObjectStore

_CHUNK = 1 << 20
_RANGE = 8 << 20
_PART = 8 << 20
_MOST_IN_ONE_PUT = 16 << 20
_PARTS_AT_ONCE = 4
_UPLOADS = "_uploads/"
_PAGE = 1000


class S3ObjectStore(ObjectStore):
    """One object per key under `prefix` of a bucket; put-if-absent is `If-None-Match: *`.

    A request that failed for a reason that may pass (429, 5xx, 409, timeout, a cut connection or body) is repeated here,
    and nowhere else, a bounded number of times. So a put whose answer was lost may meet its own object when it is repeated:
    it raises `SlotTaken`, and the caller reads the object back.

    A stream of up to 16 MiB is one conditional put. A longer one is uploaded in parts under `_uploads/`, and then copied
    to its key on the server under the condition that the key is free. AWS and MinIO keep that condition in races;
    SeaweedFS checks it, but lets two copies that end at one instant both through. Streams of that length are dataset
    bytes, whose key is the hash of their content: both copies are the same bytes.
    """

    def __init__(self, options: S3Options, *, clock: Clock, ids: IdSource) -> None:
        """Nothing is asked of the server yet.

        Raises:
            ConfigurationError: an option cannot work; names the setting.
        """
        options.check()
        self._options = options
        self._ids = ids
        self._retries = Retries(attempts=options.attempts, clock=clock, ids=ids)
        self._store = _client(options, retries=0)
        self._uploading = _client(options, retries=options.attempts - 1)
        self._is_closed = False
        self._lock = threading.Lock()

    def check_bucket(self, *, creates: bool) -> None:
        """Make sure that the bucket is there and lets us in; create it, with versioning, if it is missing and `creates`.

        Raises:
            ConfigurationError: no bucket, refused credentials, an untrusted certificate …; names the setting.
            StoreUnavailable: (retryable) the server does not answer.
        """
        try:
            self.list_keys("", limit=1)
        except ConfigurationError as error:
            if not creates or "There is no bucket" not in error.message:
                raise
            create_bucket(self._options)
            self.list_keys("", limit=1)

    def put_if_absent(self, key: str, data: bytes) -> None:
        self._checked(key)
        self._put(key, bytes(data))

    def put_stream_if_absent(self, key: str, chunks: Iterable[bytes]) -> int:
        self._checked(key)
        rest = iter(chunks)
        head = bytearray()
        for chunk in rest:
            head += chunk
            if len(head) > _MOST_IN_ONE_PUT:
                return self._put_long(key, itertools.chain((bytes(head),), rest))
        self._put(key, bytes(head))
        return len(head)

    def get(self, key: str) -> bytes:
        self._checked(key)
        return self._ask(key, lambda: bytes(self._store.get(key).bytes()))

    def get_stream(self, key: str) -> Iterator[bytes]:
        size = self.size(key)
        if size is None:
            raise ObjectNotFound(f"There is no object {key}")
        for start in range(0, size, _RANGE):
            length = min(_RANGE, size - start)
            part = self._range(key, start, length)
            for offset in range(0, length, _CHUNK):
                yield part[offset : offset + _CHUNK]

    def size(self, key: str) -> int | None:
        self._checked(key)
        try:
            return self._ask(key, lambda: int(self._store.head(key)["size"]))
        except ObjectNotFound:
            return None

    def list_keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        self._check_open()
        return self._ask(prefix, lambda: self._listed(prefix, after, limit)) if may_begin_key(prefix) else []

    def delete(self, key: str) -> None:
        self._checked(key)
        with suppress(ObjectNotFound):
            self._ask(key, lambda: self._store.delete(key))

    def close(self) -> None:
        self._is_closed = True

    def _put(self, key: str, data: bytes) -> None:
        self._if_absent(key, lambda: self._store.put(key, data, mode="create", use_multipart=False))

    def _put_long(self, key: str, chunks: Iterator[bytes]) -> int:
        """Upload to a key of our own, then copy to `key` if that is free."""
        upload = _UPLOADS + self._ids.new_id()
        counted = _Counted(chunks)
        try:
            with self._meaning(key):
                self._uploading.put(upload, counted, use_multipart=True, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
            counted.raise_error()
            self._if_absent(key, lambda: self._uploading.copy(upload, key, overwrite=False))
        except BaseException:
            counted.raise_error()
            raise
        finally:
            with suppress(StoreUnavailable, ConfigurationError):
                self.delete(upload)
        return counted.length

    def _if_absent(self, key: str, write: Callable[[], object]) -> None:
        """Do a conditional write; 409 says that another one is under way, so it is asked again who won."""

        def once() -> None:
            try:
                write()
            except FAILURES as error:
                if is_conflict(error) and self._store_size(key) is not None:
                    raise SlotTaken(f"{key} already holds an object") from error
                raise meaning(error, key=key, options=self._options) from error

        self._retries.call(once)

    def _store_size(self, key: str) -> int | None:
        try:
            with self._meaning(key):
                return int(self._store.head(key)["size"])
        except ObjectNotFound:
            return None

    def _range(self, key: str, start: int, length: int) -> bytes:
        def once() -> bytes:
            with self._meaning(key):
                part = bytes(self._store.get_range(key, start=start, length=length))
            if len(part) != length:
                raise StoreUnavailable(f"The answer for {key} was cut short")
            return part

        return self._retries.call(once)

    def _listed(self, prefix: str, after: str, limit: int) -> list[str]:
        """List the folder of `prefix` from where its keys can begin.

        A page is sorted before it is cut: SeaweedFS lists `a/b` before `a.b`, against S3's order.
        """
        folder = prefix.rpartition("/")[0]
        offset = max(after, _before(prefix))
        found: list[str] = []
        for page in self._store.list(folder or None, offset=offset or None, chunk_size=_PAGE):
            keys = [item["path"] for item in page]
            found += [key for key in keys if key.startswith(prefix) and key > after and not key.startswith(_UPLOADS)]
            if len(found) >= limit or (prefix and keys and min(keys) > prefix + "\x7f"):
                break
        return sorted(found)[:limit]

    def _ask(self, key: str, request: Callable[[], ResultT]) -> ResultT:
        def once() -> ResultT:
            with self._meaning(key):
                return request()

        return self._retries.call(once)

    @contextmanager
    def _meaning(self, key: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            raise meaning(error, key=key, options=self._options) from error

    def _checked(self, key: str) -> None:
        self._check_open()
        checked_key(key)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The object store is closed.")


class _Counted:
    """An iterator that knows how many bytes went through, and what its source raised: obstore wraps that."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._error: BaseException | None = None
        self.length = 0

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            raise
        except BaseException as error:
            self._error = error
            raise
        self.length += len(chunk)
        return chunk

    def raise_error(self) -> None:
        """Raise what the source raised."""
        if self._error is not None:
            raise self._error


def _before(prefix: str) -> str:
    """Return a text that sorts before every key that begins with `prefix`, and not far before."""
    return prefix[:-1] + chr(ord(prefix[-1]) - 1) + "~" if prefix else ""


def _client(options: S3Options, *, retries: int) -> S3Store:
    seconds = timedelta(seconds=options.timeout_seconds)
    config: dict[str, Any] = {
        "region": options.region,
        "virtual_hosted_style_request": options.addressing == "virtual",
        "copy_if_not_exists": "multipart",
        "disable_bulk_delete": True,
    }
    if options.endpoint is not None:
        config["endpoint"] = options.endpoint
    if options.access_key is not None:
        config |= {"access_key_id": options.access_key, "secret_access_key": options.secret_key}
    client: Any = {"timeout": seconds, "connect_timeout": seconds, "allow_http": not options.requires_tls}
    certificates = options.ca_certificates()
    if certificates is not None:
        client["root_certificate"] = certificates
    waits: Any = {
        "max_retries": retries,
        "retry_timeout": seconds * (retries + 1),
        "backoff": {"init_backoff": timedelta(seconds=0.05), "max_backoff": timedelta(seconds=2), "base": 2},
    }
    try:
        return S3Store(options.bucket, prefix=options.prefix or None, client_options=client, retry_config=waits, **config)
    except obstore.exceptions.BaseError as error:
        raise ConfigurationError(f"The settings SPICE_S3_* do not fit together: {str(error)[:300]}") from error
