#!/bin/sh
# Install MLServer into an environment of its own, and run the test that needs it: sh scripts/mlserver.sh [pytest's arguments]
set -u
cd "$(dirname "$0")/.." || exit 1

failed=0
environment=.venv-mlserver
.venv/bin/python -m venv "$environment" || exit 1
if ! "$environment/bin/python" -m pip install --quiet "mlserver==1.7.1" "mlserver-sklearn==1.7.1" >"$environment/install.log" 2>&1; then
    echo "NOT RUN: MLServer: $(grep -m 1 ERROR "$environment/install.log")" >&2
    failed=1
fi
.venv/bin/python -m pytest -m interop tests/interop/test_mlserver.py "$@" && exit $failed
