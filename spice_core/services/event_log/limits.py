"""What bounds a log: sizes, queues, retries and memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What bounds an `EventLog`. Sizes are bytes of encoded events.

    Attributes:
        max_request_events, max_request_bytes: of one append.
        max_batch_events, max_batch_bytes: of one segment (a single request may be larger).
        max_waiting: appends of one database that may wait at once.
        max_tail_events: how far the ledger may trail before appends are refused.
        max_filter_keys: keys of one log that are filtered in memory (four bytes each); beyond, every append asks the ledger.
        window_seconds: how long a batch waits for writers that are expected back.
        store_attempts: how often a failing store is tried.
        cache_bytes: segments kept in memory for readers.
        fold_seconds: the pause between two folds.
    """

    max_request_events: int = 10_000
    max_request_bytes: int = 64 << 20
    max_batch_events: int = 4_000
    max_batch_bytes: int = 8 << 20
    max_waiting: int = 2_000
    max_tail_events: int = 100_000
    max_filter_keys: int = 8_000_000
    window_seconds: float = 0.0005
    store_attempts: int = 5
    cache_bytes: int = 32 << 20
    fold_seconds: float = 0.05
