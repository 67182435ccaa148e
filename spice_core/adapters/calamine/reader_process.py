"""A reading process with bounds on its memory and time."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spice_core.errors import UnreadableFile

READER = "spice_core.adapters.calamine.read_workbook"
_OUT_OF_MEMORY = 3
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """What the reading of one workbook may take."""

    memory_bytes: int = 1_000_000_000
    seconds: int = 60
    unpacked_bytes: int = 1_000_000_000


class ReaderProcess:
    """Starts a process for one file and waits for its answer. The process and all it started are gone when `run` returns."""

    def __init__(self, *, limits: ReaderLimits, command: Sequence[str] = (sys.executable, "-m", READER)) -> None:
        """`command` is what is run; it reads the request from its input and answers on its output."""
        self._limits = limits
        self._command = list(command)

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send `request` with the limits and return the answer.

        Raises:
            UnreadableFile: the reader refused the file, or broke at it, or was ended at a limit; says which.
        """
        limits = self._limits
        asked = {
            **request,
            "memory_bytes": limits.memory_bytes,
            "cpu_seconds": limits.seconds,
            "unpacked_bytes": limits.unpacked_bytes,
        }
        process = subprocess.Popen(  # noqa: S603 - our own program; the request is data on its input
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
            text=True,
        )
        try:
            answer, _ = process.communicate(json.dumps(asked), timeout=limits.seconds)
        except subprocess.TimeoutExpired as error:
            raise self._too_slow() from error
        finally:
            self._end(process)
        return self._checked(answer, process.returncode)

    def _end(self, process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def _checked(self, text: str, code: int) -> dict[str, Any]:
        if code in {-signal.SIGXCPU, -signal.SIGKILL}:
            raise self._too_slow()
        if code in {_OUT_OF_MEMORY, -signal.SIGABRT}:
            raise UnreadableFile(
                f"The workbook needs over {self._limits.memory_bytes} bytes of memory to be read: export the sheet as CSV. "
                "A single cell far from the others may be the reason.",
                details={"max_memory_bytes": self._limits.memory_bytes},
            )
        if code != 0:
            raise UnreadableFile("The workbook is damaged, its reader broke at it: open it, save it again and upload that.")
        answer: dict[str, Any] = json.loads(text)
        if "refused" in answer:
            raise UnreadableFile(answer["refused"], details=answer.get("details"))
        return answer

    def _too_slow(self) -> UnreadableFile:
        return UnreadableFile(
            f"The workbook takes over {self._limits.seconds} seconds to be read: export the sheet as CSV.",
            details={"max_seconds": self._limits.seconds},
        )
