#!/bin/sh
# Install MLServer, BentoML and Ray into environments of their own, and run the tests that need them:
# sh scripts/model_servers.sh [pytest's arguments]
set -u
cd "$(dirname "$0")/.." || exit 1

failed=0
install() { # name of the environment, then what is installed
    environment=.venv-$1
    shift
    .venv/bin/python -m venv "$environment" || exit 1
    if ! "$environment/bin/python" -m pip install --quiet "$@" >"$environment/install.log" 2>&1; then
        echo "NOT RUN: $environment: $(grep -m 1 ERROR "$environment/install.log")" >&2
        failed=1
    fi
}

install mlserver "mlserver==1.7.1" "mlserver-sklearn==1.7.1"
install bentoml "bentoml==1.4.40" scikit-learn --editable .
install ray "ray[serve]==2.60.0" scikit-learn --editable .
.venv/bin/python -m pytest -m interop tests/interop/test_mlserver.py tests/interop/test_model_servers.py "$@" && exit $failed
