"""Command statuses in Redis."""

from collections.abc import Sequence

from spice_core.adapters.redis.connection import RedisServer
from spice_core.adapters.redis.status_records import from_record, to_record
from spice_core.domain.read_models import FINAL_STATES, CommandStatus
from spice_core.errors import Closed
from spice_core.ports.status_cache import CachedStatus, StatusCache


class RedisStatusCache(StatusCache):
    """`command:{id}:status` holds one entry as JSON, `command:epoch:{database}` the time since which its entries count.

    An entry carries the epoch it was put in, so forgetting a database is forgetting its epoch, however many entries it has. An
    epoch that Redis evicted makes its entries unknown; no later one is equal to it.
    """

    def __init__(self, server: RedisServer, *, ttl_seconds: int) -> None:
        """Use `server`, which the caller closes. Entries last `ttl_seconds`; 0: until Redis drops them."""
        self._server = server
        self._ttl = ttl_seconds or None
        self._is_closed = False

    def get(self, command_id: str) -> CachedStatus | None:
        self._check_open()
        record = self._server.call(lambda: self._server.client.get(_status_key(command_id)))
        found = from_record(record) if isinstance(record, bytes) else None
        if found is None:
            return None
        entry, epoch = found
        return entry if epoch and epoch == self._epochs([entry.status.database])[0] else None

    def put(self, statuses: Sequence[CommandStatus], *, origin: str) -> None:
        self._check_open()
        final = [status for status in statuses if status.state in FINAL_STATES]
        if not final:
            return
        databases = sorted({status.database for status in final})
        epochs = self._epochs_now(databases)
        with self._server.client.pipeline(transaction=False) as pipe:
            for status in final:
                record = to_record(status, origin=origin, epoch=epochs[status.database])
                pipe.set(_status_key(status.command_id), record, ex=self._ttl)
            self._server.call(pipe.execute)

    def forget(self, database: str) -> None:
        self._check_open()
        self._server.call(lambda: self._server.client.delete(_epoch_key(database)))

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The status cache is closed.")

    def _epochs_now(self, databases: Sequence[str]) -> dict[str, str]:
        """Return the epoch of each database, begun now where there is none."""
        found = self._epochs(databases)
        if not all(found):
            seconds, microseconds = self._server.call(self._server.client.time)
            with self._server.client.pipeline(transaction=False) as pipe:
                for name in databases:
                    pipe.set(_epoch_key(name), f"{seconds}.{microseconds:06}", nx=True)
                self._server.call(pipe.execute)
            found = self._epochs(databases)
        return dict(zip(databases, found, strict=True))

    def _epochs(self, databases: Sequence[str]) -> list[str]:
        found = self._server.call(lambda: self._server.client.mget([_epoch_key(name) for name in databases]))
        return [value.decode() if isinstance(value, bytes) else "" for value in found]


def _status_key(command_id: str) -> str:
    return f"command:{command_id}:status"


def _epoch_key(database: str) -> str:
    return f"command:epoch:{database}"
