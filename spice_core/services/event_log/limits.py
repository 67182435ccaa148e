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
        max_numbers: aggregates of one log whose numbers are kept in memory between two batches; what a batch names comes on top.
        window_seconds: how long a batch waits for writers that are expected back.
        store_attempts: how often a failing store is tried.
        cache_bytes: segments kept in memory for readers.
        fold_seconds: the pause between two folds.
        sweep_seconds: how often every log is looked at for segments that a dead process left unfolded.
        look_seconds: how old an answer about the newest position may be that comes from the store; the ledger tells of news
            meanwhile. 0: the store is always asked.
        read_ahead: objects that are fetched ahead for a sequential reader; for stores where a request takes its time.
        pack_segments, pack_bytes: what one pack holds at most; at least one segment.
        pack_seconds: how often `start` packs in the background; 0: never.
        trusted_seconds: how old a listing of packs may be to go by.
        drop_after_seconds: how old a pack must be before its segments may be dropped; much more than `trusted_seconds`.
    """

    max_request_events: int = 10_000
    max_request_bytes: int = 64 << 20
    max_batch_events: int = 4_000
    max_batch_bytes: int = 8 << 20
    max_waiting: int = 2_000
    max_tail_events: int = 100_000
    max_filter_keys: int = 8_000_000
    max_numbers: int = 200_000
    window_seconds: float = 0.0005
    store_attempts: int = 5
    cache_bytes: int = 32 << 20
    fold_seconds: float = 0.05
    sweep_seconds: float = 2.0
    look_seconds: float = 0.0
    read_ahead: int = 0
    pack_segments: int = 500
    pack_bytes: int = 8 << 20
    pack_seconds: float = 0.0
    trusted_seconds: float = 900.0
    drop_after_seconds: float = 3600.0
