"""What runs of mappings did, as the asset catalogue shows it: counts that plot, reasons and samples as tables."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg

from spice_assets.tables import counts_of, tables_of
from spice_core.domain.datasets import ObjectifyRun

_SAMPLES = 10


def counted(runs: Sequence[ObjectifyRun]) -> dict[str, Any]:
    """Return what `runs` counted together, as metadata."""
    seconds = sum(run.seconds for run in runs)
    rows = sum(run.rows for run in runs)
    kept, overwritten = sum(run.edits_kept for run in runs), sum(run.edits_overwritten for run in runs)
    return {
        "rows": rows,
        "created": sum(run.created for run in runs),
        "updated": sum(run.updated for run in runs),
        "deleted": sum(run.deleted for run in runs),
        "unchanged": sum(run.unchanged for run in runs),
        "rejects": sum(run.rejected for run in runs),
        "conflicts": kept + overwritten,
        "edits_kept": kept,
        "edits_overwritten": overwritten,
        "links_dropped": sum(run.links_dropped for run in runs),
        **reasons_and_samples(runs),
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds, 1) if seconds else 0.0,
        "run_ids": ", ".join(run.run_id for run in runs),
    }


def reasons_and_samples(runs: Sequence[ObjectifyRun]) -> dict[str, dg.TableMetadataValue]:
    """Return why rows and links were left out, by count, and some of them; nothing where nothing was."""
    reasons: Counter[str] = Counter()
    for run in runs:
        reasons.update(run.reasons)
    samples = [sample for run in runs for sample in run.samples][:_SAMPLES]
    return tables_of(reasons=counts_of(reasons, name="reason"), samples=samples)


def told_of(run: ObjectifyRun) -> str:
    """Return why a run failed, the most frequent reason first."""
    reasons = [f"{row['reason']} {row['count']:,}" for row in counts_of(run.reasons, name="reason")]
    return f"mapping {run.mapping_id} failed: {', '.join(reasons) or 'no reason is on record'}"
