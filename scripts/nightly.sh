#!/bin/sh
# Everything that .ci/run leaves out. Runs each step even if one before it fails; fails if any did, and names them.
set -u
cd "$(dirname "$0")/.." || exit 1

failed=
for step in lint test-all examples frameworks interop oldest lowest newest exporters audit airflow simulate bench "soak MINUTES=10"; do
    echo "== make $step"
    # shellcheck disable=SC2086 # a step is a target and perhaps its variable
    make $step || failed="$failed $step,"
done
[ -z "$failed" ] || {
    echo "failed:${failed%,}" >&2
    exit 1
}
