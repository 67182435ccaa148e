"""Places where a test may make this process die, as a power cut would."""

import os
from pathlib import Path

from spice_core.settings import Settings


class CrashPoints:
    """Dies at one named place (`{handler}:after_claim|before_effect|after_effect|before_done`), if chaos is switched on.

    With `crash_once` a marker file remembers the crash, so that the restarted process goes on.
    """

    def __init__(self, *, point: str | None = None, marker: Path | None = None, exit_code: int = 42) -> None:
        self._point = point
        self._marker = marker
        self._exit_code = exit_code

    @classmethod
    def of(cls, settings: Settings) -> "CrashPoints":
        """Return the crash point that the settings name, or none."""
        if not settings.enable_chaos_injection or not settings.crash_point:
            return cls()
        name = settings.crash_point.replace(":", "-").replace("/", "-")
        marker = settings.state_path / f"crashed-at-{name}" if settings.crash_once else None
        return cls(point=settings.crash_point, marker=marker, exit_code=settings.crash_exit_code)

    def at(self, place: str) -> None:
        """Die here if this is the place: no clean-up, no flush, nothing."""
        if place != self._point:
            return
        if self._marker is not None:
            if self._marker.exists():
                return
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._marker.touch()
        os._exit(self._exit_code)
