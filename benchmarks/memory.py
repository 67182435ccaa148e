"""How much memory a process took at most."""

from pathlib import Path


def peak_mb(process: int | str = "self") -> float:
    """Return the largest resident size so far of a process, in MiB.

    Not `ru_maxrss`: a child's begins with what its parent had when it was started.
    """
    return int(Path(f"/proc/{process}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
