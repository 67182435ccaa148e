"""How the state of a sync follows from what a sync found: pure, so that every step can be told in advance."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from spice_core.domain.connectors import KEPT_RUNS, ConnectorSource, SyncRun, SyncState, SyncStatus

MAX_RETRIES = 5
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0


def upload_key(source: ConnectorSource, state: SyncState, content_hash: str) -> str:
    """Return the idempotency key of uploading `content_hash` now: the same however often a sync dies before its state is kept.

    The generation is part of it, so that content which comes back after another one is a version again.
    """
    said = "\n".join([source.source_id, source.incarnation, str(state.generation), content_hash])
    return f"connector {hashlib.sha256(said.encode()).hexdigest()}"


def pause_seconds(attempts: int, *, jitter: float, asked: float | None = None) -> float:
    """Return how long to wait after that many failures in a row: 2 to 60 s doubling, or what the source asked for if more.

    `jitter` (0 to 1) shortens the pause by up to a quarter.
    """
    pause: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(max(attempts, 1) - 1, 30))
    return max(pause * (1 - jitter / 4), asked or 0.0)


def fresh_state(source: ConnectorSource, state: SyncState | None) -> SyncState:
    """Return the state of `source`: a new one where there is none, or where it is of a source that was deleted since."""
    if state is not None and state.incarnation == source.incarnation:
        return state
    return SyncState(source.source_id, incarnation=source.incarnation, version=state.version if state else 0)


def is_due(source: ConnectorSource, state: SyncState, now: datetime, *, is_resting: bool) -> bool:
    """Whether a source is to be synced at `now`. `is_resting`: its polling interval is not over.

    A sync that is tried again has a time of its own; one that failed for good is looked at only where a change of the source
    can be told.
    """
    if not source.is_enabled or state.status is SyncStatus.DISCARDED:
        return False
    if state.status is SyncStatus.RETRYING:
        return state.next_try_at is None or state.next_try_at <= now
    return not is_resting and (state.status is not SyncStatus.FAILED or state.failed_revision is not None)


def is_unchanged(state: SyncState, revision: str | None) -> bool:
    """Whether the change token says that a read would bring nothing."""
    if revision is None:
        return False
    return revision == (state.revision if state.status is SyncStatus.OK else state.failed_revision)


def wants_full_read(source: ConnectorSource, state: SyncState, now: datetime) -> bool:
    """Whether the whole table is to be read although there is a watermark."""
    if state.cursor is None or state.full_read_at is None or source.watermark_column is None:
        return True
    return (now - state.full_read_at).total_seconds() >= source.full_every_seconds


def succeeded(state: SyncState, run: SyncRun, *, cursor: str | None, revision: str | None, is_full: bool) -> SyncState:
    """Return the state after a read that came to its end; a run that changed nothing is not kept in the list."""
    runs = state.runs if run.result == "unchanged" else (run, *state.runs)[:KEPT_RUNS]
    return replace(
        state,
        status=SyncStatus.OK,
        cursor=cursor,
        revision=revision,
        attempts=0,
        next_try_at=None,
        synced_at=run.at,
        full_read_at=run.at if is_full else state.full_read_at,
        error=None,
        error_code=None,
        failed_revision=None,
        runs=runs,
    )


def uploaded(state: SyncState, *, content_hash: str, version_id: str) -> SyncState:
    """Return the state with a new version in it."""
    return replace(state, content_hash=content_hash, version_id=version_id, generation=state.generation + 1)


def emptied(state: SyncState) -> SyncState:
    """Return the state after the dataset was deleted: whatever comes next is read whole, and is new."""
    return replace(
        state,
        cursor=None,
        revision=None,
        content_hash=None,
        version_id=None,
        full_read_at=None,
        generation=state.generation + 1,
    )


def ended_with(state: SyncState, status: SyncStatus, run: SyncRun, *, code: str, revision: str | None = None) -> SyncState:
    """Return the state after an error that waiting does not help; `revision`: what the source was at, if that is known."""
    return replace(
        state,
        status=status,
        attempts=state.attempts + 1,
        next_try_at=None,
        error=run.error,
        error_code=code,
        failed_revision=revision,
        runs=(run, *state.runs)[:KEPT_RUNS],
    )


def failed(state: SyncState, run: SyncRun, *, code: str, pause: float) -> SyncState:
    """Return the state after an error that may pass: to be tried again in `pause` seconds, or failed after enough retries."""
    if state.attempts >= MAX_RETRIES:
        return ended_with(state, SyncStatus.FAILED, run, code=code)
    tried = ended_with(state, SyncStatus.RETRYING, run, code=code)
    return replace(tried, next_try_at=run.at + timedelta(seconds=pause))


def retried(state: SyncState) -> SyncState:
    """Return the state of a sync that an operator wants tried again: from its cursor, with all its attempts."""
    return replace(state, status=SyncStatus.RETRYING, attempts=0, next_try_at=None, failed_revision=None)


def discarded(state: SyncState) -> SyncState:
    """Return the state of a failed sync that an operator gave up: the source rests until it is retried."""
    return replace(state, status=SyncStatus.DISCARDED, next_try_at=None)
