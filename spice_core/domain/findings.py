"""What an inspection of a part found: the words of `spice doctor`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from spice_core.errors import SpiceError

State = Literal["ok", "warning", "down"]
MOST_CLOCK_SECONDS = 5.0
LEAST_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it is, and what to do about it (empty where nothing is to be done).

    `down` means that the platform cannot work with this part as it is, `warning` that it can, but somebody should look.
    """

    part: str
    state: State
    found: str
    advice: str = ""


def attempted(part: str, look: Callable[[], str], advice: str) -> Finding:
    """Return what `look` says, or that the part is down: with the error's words, which name settings, and `advice`."""
    try:
        return Finding(part, "ok", look())
    except SpiceError as error:
        return Finding(part, "down", error.message, advice)


def clock_finding(part: str, *, theirs: datetime, ours: datetime) -> Finding:
    """Compare the clock of a part with ours. Leases, signatures and the times of events follow clocks."""
    skew = (theirs - ours).total_seconds()
    if abs(skew) <= MOST_CLOCK_SECONDS:
        return Finding(f"{part} clock", "ok", f"{abs(skew):.1f} s from ours")
    order = "ahead of" if skew > 0 else "behind"
    advice = f"set the clock of this machine or of {part} right (NTP): leases, signatures and times of events follow it"
    return Finding(f"{part} clock", "warning", f"{abs(skew):,.0f} s {order} ours", advice)


def disk_finding(part: str, *, free_bytes: int, where: str) -> Finding:
    """Tell how much space is left, and warn before the log refuses writes."""
    found = f"{free_bytes / 1e9:,.1f} GB free at {where}"
    if free_bytes > LEAST_FREE_BYTES:
        return Finding(part, "ok", found)
    return Finding(part, "warning", found, "free some space: a full disk refuses writes, and nothing is acknowledged then")
