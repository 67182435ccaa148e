"""`python -m benchmarks`: every benchmark in turn, each in a process of its own; the table is benchmarks/results.md."""

import subprocess
import sys

BENCHMARKS = (
    "log_append",
    "log_append_s3",
    "log_replay",
    "worker_apply",
    "multi_hop",
    "ingest_csv",
    "objectify",
    "relay",
    "index",
    "inference",
    "ingest_csv",
)


def main() -> int:
    """Run all benchmarks, or those named on the command line; return 1 if one could not be run."""
    chosen = sys.argv[1:] or BENCHMARKS
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    failed = [name for name in chosen if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
