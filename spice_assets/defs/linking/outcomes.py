"""What a run of a link type counted, and in words what that means and what to do."""

from spice_core.domain.link_types import LinkRun

_COUNTS = ("links", "sources", "added", "removed", "unchanged", "dangling", "duplicates", "source_missing")
_LEFT_OUT = {
    "dangling": "links to instances that do not exist",
    "source_missing": "links from instances that do not exist",
    "duplicates": "rows that repeat a link",
    "key_missing": "rows without a key",
    "cardinality": "instances with more links than the cardinality allows",
    "shared_target": "targets of several instances where one is allowed",
}


def statistics_of(run: LinkRun) -> dict[str, int]:
    """Return the counts of a run; those that every run has are there as 0, too, so that their plots have no gaps."""
    return dict(sorted({**dict.fromkeys(_COUNTS, 0), **run.statistics}.items()))


def told_of(run: LinkRun) -> str:
    """Return how a run came out, and what to do where something was left out."""
    if run.result == "PASS":
        return f"{run.statistics.get('links', 0):,} links; nothing was left out."
    counted = [f"{run.statistics[name]:,} {text}" for name, text in _LEFT_OUT.items() if run.statistics.get(name)]
    told = ", ".join(counted or [f"{name} {count:,}" for name, count in sorted(run.statistics.items())]) or run.state
    if run.result == "WARN":
        return f"Left out: {told}. Bring the instances in, or correct the rows."
    if run.statistics.get("failed_commands"):
        return f"Commands failed: {run.statistics['failed_commands']:,}. Run it again; what was written stays."
    if not counted:
        return f"No link was written: {told}. Run it again."
    return f"No link was written: {told}. Bring the instances in, correct the rows, or save the link type with another policy."
