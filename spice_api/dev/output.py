"""One log stream of many processes: each line under the name of its part."""

import json
import threading
from pathlib import Path
from typing import IO, TextIO

_COLORS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_KEEP_BYTES = 20_000_000


class Output:
    """Writes whole lines, from any thread, to the terminal and to a file per part."""

    def __init__(
        self, stream: TextIO, *, log_dir: Path, names: list[str], is_colored: bool = False, is_json: bool = False
    ) -> None:
        """With `is_json` every line is a JSON object: what is none gets wrapped, as `{"process": name, "message": line}`."""
        self._stream = stream
        self._is_json = is_json
        self._log_dir = log_dir
        self._width = max((len(name) for name in names), default=0)
        self._colors = {name: _COLORS[number % len(_COLORS)] for number, name in enumerate(names)} if is_colored else {}
        self._turn = threading.Lock()

    def say(self, name: str, line: str) -> None:
        """Print one line of `name`; a terminal that went away is no reason to stop."""
        shown = _as_json(name, line) if self._is_json else f"{self._label(name)} | {line}"
        with self._turn:
            try:
                self._stream.write(f"{shown}\n")
                self._stream.flush()
            except (OSError, ValueError):
                return

    def follow(self, name: str, pipe: IO[bytes]) -> threading.Thread:
        """Copy what comes out of `pipe` until it ends; return the thread that does so."""
        thread = threading.Thread(target=self._copy, args=(name, pipe), name=f"output-{name}", daemon=True)
        thread.start()
        return thread

    def _label(self, name: str) -> str:
        color = self._colors.get(name)
        label = name.ljust(self._width)
        return f"\x1b[{color}m{label}\x1b[0m" if color else label

    def _copy(self, name: str, pipe: IO[bytes]) -> None:
        path = self._log_dir / f"{name}.log"
        if path.exists() and path.stat().st_size > _KEEP_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with pipe, path.open("ab", buffering=0) as log:
            for line in pipe:
                log.write(line)
                self.say(name, line.decode(errors="replace").rstrip())


def _as_json(name: str, line: str) -> str:
    """Return a line that is a JSON object as it is, any other as the message of one."""
    if line.startswith("{"):
        try:
            json.loads(line)
        except ValueError:
            pass
        else:
            return line
    return json.dumps({"level": "info", "process": name, "message": line}, ensure_ascii=False)
