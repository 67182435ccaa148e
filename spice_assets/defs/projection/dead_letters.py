"""Events that no retry helped, in the asset catalogue: one asset per database, told once per failure."""

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any

import dagster as dg

from spice_assets.catalogue import Catalogue
from spice_assets.checks import check_of
from spice_assets.links import Links
from spice_assets.names import DEAD_LETTERS, group_name
from spice_assets.owners import TEAM
from spice_assets.resources import PlatformSource
from spice_assets.tables import tables_of
from spice_core.errors import Unavailable
from spice_core.ports.work_ledger import DeadLetter, WorkLedger

CHECK = "none_waits"
INTERVAL_SECONDS = 30
_MOST = 2_000
_SAMPLES = 10


def dead_letter_key(database: str) -> dg.AssetKey:
    """Return the key of a database's dead letters."""
    return dg.AssetKey([DEAD_LETTERS, database])


def databases_of(catalogue: Catalogue) -> list[str]:
    """Return the databases that have assets."""
    return sorted({entry.database for entry in catalogue.datasets})


def dead_letter_assets(databases: Sequence[str], links: Links) -> list[dg.AssetSpec]:
    """Return one asset per database that nobody materializes: the sensor says what is new about it."""
    return [
        dg.AssetSpec(
            dead_letter_key(database),
            group_name=group_name(database, DEAD_LETTERS),
            description=(
                f"Events of {database} that a worker gave up on.\n\nTheir aggregates stand still until somebody decides.\n\n"
                "Grain: one dead letter per handler and event.\n\nFreshness: looked at twice a minute.\n\nLook with `spice "
                f"dead-letters list --db {database}`, then retry or discard."
            ),
            kinds={"log"},
            owners=[TEAM],
            metadata={"api": links.dead_letters()},
        )
        for database in databases
    ]


def dead_letter_checks(databases: Sequence[str]) -> list[dg.AssetChecksDefinition]:
    """Return the check of each database's dead letters."""
    return [_none_waits(database) for database in databases]


def dead_letters_sensor(databases: Collection[str], links: Links) -> dg.SensorDefinition:
    """Return the sensor; checks are kept of `databases` only, observations of all."""
    known = frozenset(databases)

    @dg.sensor(
        name="dead_letters",
        description="Tells each event that a worker gave up on, once per failure, with the command to look at it.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def dead_letters(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[PlatformSource]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            waiting = waiting_letters(platform.get().work)
        except Unavailable as error:
            return dg.SkipReason(f"{error.message}; asking again")
        news, changed, cursor = evaluate(context.cursor, waiting)
        for letter in news:
            context.log.error("%s", _line(letter))
        events: list[Any] = [_observation(letter, links) for letter in news]
        events += [_evaluation(database, waiting) for database in changed if database in known]
        text = "; ".join(map(_line, news[:_SAMPLES])) or f"{len(waiting)} dead letters wait, none is new"
        return dg.SensorResult(asset_events=events, skip_reason=dg.SkipReason(text), cursor=cursor)

    return dead_letters


def waiting_letters(work: WorkLedger, database: str | None = None) -> list[DeadLetter]:
    """Return the dead letters that wait for a decision, without those that are parked behind another."""
    found = work.dead_letters(database=database, state="waiting", limit=_MOST)
    return [letter for letter in found if letter.parked_behind in {None, letter.event_id}]


def evaluate(cursor: str | None, waiting: Sequence[DeadLetter]) -> tuple[list[DeadLetter], list[str], str]:
    """Return the failures that were not told yet, the databases in which something changed, and the next cursor.

    The cursor holds, per database, a digest of each waiting failure: a letter that fails again is another failure.
    """
    before: dict[str, list[str]] = json.loads(cursor) if cursor else {}
    after: dict[str, list[str]] = {}
    news = []
    for letter in waiting:
        digest = _digest(letter)
        after.setdefault(letter.database, []).append(digest)
        if digest not in before.get(letter.database, ()):
            news.append(letter)
    after = {database: sorted(digests) for database, digests in sorted(after.items())}
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return news, changed, json.dumps(after)


def _digest(letter: DeadLetter) -> str:
    text = json.dumps([letter.handler, letter.database, letter.event_id, letter.last_failed_at.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _none_waits(database: str) -> dg.AssetChecksDefinition:
    def none_waits(platform: dg.ResourceParam[PlatformSource]) -> dg.AssetCheckResult:
        waiting = waiting_letters(platform.get().work, database)
        return dg.AssetCheckResult(passed=not waiting, description=_told(database, waiting), metadata=_counts(waiting))

    return check_of(dead_letter_key(database), description="No event waits for somebody to decide about it.")(none_waits)


def _evaluation(database: str, waiting: Sequence[DeadLetter]) -> dg.AssetCheckEvaluation:
    mine = [letter for letter in waiting if letter.database == database]
    return dg.AssetCheckEvaluation(
        asset_key=dead_letter_key(database),
        check_name=CHECK,
        passed=not mine,
        description=_told(database, mine),
        metadata=_counts(mine),
    )


def _told(database: str, waiting: Sequence[DeadLetter]) -> str:
    if not waiting:
        return "No event waits."
    return (
        f"Events that wait for a decision: {len(waiting):,}. Mend the cause and `spice dead-letters retry`, or `discard`; "
        f"`spice dead-letters list --db {database}` shows them."
    )


def _counts(waiting: Sequence[DeadLetter]) -> dict[str, Any]:
    samples = [
        {
            "handler": letter.handler,
            "event": letter.event_type,
            "aggregate": letter.aggregate,
            "error": letter.error,
            "attempts": letter.attempts,
            "last_failed_at": f"{letter.last_failed_at:%Y-%m-%d %H:%M:%S} UTC",
            "command": _command(letter),
        }
        for letter in waiting[:_SAMPLES]
    ]
    return {"waiting": len(waiting), **tables_of(samples=samples)}


def _observation(letter: DeadLetter, links: Links) -> dg.AssetObservation:
    return dg.AssetObservation(
        dead_letter_key(letter.database),
        description=f"{letter.handler} gave up on {letter.event_type} of {letter.aggregate}: {letter.error}",
        metadata={
            "handler": letter.handler,
            "event_id": letter.event_id,
            "attempts": letter.attempts,
            "error": letter.error,
            "command": _command(letter),
            "api": links.dead_letters(),
        },
    )


def _command(letter: DeadLetter) -> str:
    return f"spice dead-letters show {letter.event_id} --db {letter.database}"


def _line(letter: DeadLetter) -> str:
    return f"{letter.handler} gave up on {letter.event_type} of {letter.aggregate}: {letter.error} ({_command(letter)})"
