#!/usr/bin/env bash
# The production gate: acceptance on real processes, and chaos. `--help` tells the rest.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/run_production_tests.sh [--full] [--chaos-lite] [--chaos-out-of-order] [--chaos-soak]

Runs journeys and fault tests with real processes and real kills, then the chaos that was asked for. Exits 0 only if all is well.

  --full                on S3, Kafka, Elasticsearch, Redis and a PostgreSQL server; without it on the embedded parts
  --chaos-lite          a minute of load while servers, workers and APIs are killed and hang
  --chaos-out-of-order  a minute of load while the workers' feed repeats, reorders and leaves out events
  --chaos-soak          SOAK_SECONDS of load under every fault at random, cut connections and lost answers included
  --only-chaos          leave out the journeys and fault tests
  --help                this text

Every chaos run prints its seed, and ends with a line such as `seed 7: 0 lost, 0 doubled, 0 wrong`: the log's chain is verified,
the log replayed into empty stores, these compared with the live ones, and those with a model of what clients were told.

  PYTHON_BIN            the Python with the platform installed (default: .venv/bin/python, else python3)
  SOAK_SECONDS          how long (default 600; the other two kinds: 60)
  SOAK_SEED             the seed (default: any)

Servers are started in a directory of their own, on free ports, and stopped afterwards. One that the settings name
(SPICE_POSTGRES_URL, SPICE_S3_ENDPOINT, KAFKA_BOOTSTRAP_SERVERS, ELASTICSEARCH_URL, REDIS_URL) is used instead, and neither
killed nor stopped: chaos then falls on the platform's own processes. Its data is written to: name no server that matters.
TEXT
}

cd "$(dirname "$0")/.."
full="" gate=yes chaos=()
for word in "$@"; do
  case "$word" in
    --full) full=--full ;;
    --chaos-lite) chaos+=(lite) ;;
    --chaos-out-of-order) chaos+=(out-of-order) ;;
    --chaos-soak) chaos+=(soak) ;;
    --only-chaos) gate=no ;;
    --help | -h) usage; exit 0 ;;
    *) echo "unknown option $word" >&2; usage >&2; exit 2 ;;
  esac
done

python="${PYTHON_BIN:-}"
if [[ -z "$python" ]]; then
  python=.venv/bin/python
  [[ -x "$python" ]] || python=python3
fi

if [[ "$gate" == yes ]]; then
  if [[ -n "$full" ]]; then
    export SPICE_TEST_S3_URL="${SPICE_TEST_S3_URL:-${SPICE_S3_ENDPOINT:-}}" SPICE_TEST_KAFKA="${SPICE_TEST_KAFKA:-${KAFKA_BOOTSTRAP_SERVERS:-}}"
    export SPICE_TEST_S3_ACCESS_KEY="${SPICE_TEST_S3_ACCESS_KEY:-${SPICE_S3_ACCESS_KEY:-spice}}"
    export SPICE_TEST_S3_SECRET_KEY="${SPICE_TEST_S3_SECRET_KEY:-${SPICE_S3_SECRET_KEY:-spice-secret}}"
    export SPICE_TEST_ELASTICSEARCH_URL="${SPICE_TEST_ELASTICSEARCH_URL:-${ELASTICSEARCH_URL:-}}"
    export SPICE_TEST_REDIS_URL="${SPICE_TEST_REDIS_URL:-${REDIS_URL:-}}"
    "$python" -m pytest tests/journeys tests/faults -m "full and not long" --require-full
  else
    "$python" -m pytest tests/journeys tests/faults -m "not full and not long"
  fi
fi
for kind in ${chaos[@]+"${chaos[@]}"}; do
  "$python" -W ignore -m tests.faults.run_chaos "$kind" $full
done
