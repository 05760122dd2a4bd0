#!/bin/sh
# Tests of what is sent with every minor version of OpenTelemetry's SDK and OTLP exporters that pyproject.toml allows, in
# .venv-exporters/: sh scripts/exporters.sh [ARGUMENTS OF PYTEST]
# MINORS="35 45" runs only these.
set -eu
cd "$(dirname "$0")/.."

oldest=$(sed -n 's/^  "opentelemetry-exporter-otlp>=1\.\([0-9]*\),<2",$/\1/p' pyproject.toml)
newest=$(.venv/bin/python -c 'from importlib.metadata import version; print(version("opentelemetry-exporter-otlp").split(".")[1])')
python=.venv-exporters/bin/python
.venv/bin/python -m venv --clear .venv-exporters
"$python" -m pip install --quiet --upgrade pip uv

failed=
for minor in ${MINORS:-$(seq "$oldest" "$newest")}; do
    "$python" -m uv pip install --quiet --python "$python" --editable '.[demo]' \
        "opentelemetry-exporter-otlp==1.$minor.*" "opentelemetry-sdk[file-configuration]==1.$minor.*" \
        opentelemetry-instrumentation-threading pytest hypothesis httpx2
    echo "== opentelemetry-exporter-otlp $("$python" -c 'from importlib.metadata import version; print(version("opentelemetry-exporter-otlp"))')"
    PYTHONDONTWRITEBYTECODE='' "$python" -m pytest -q -m "not interop" \
        -W default::DeprecationWarning -W default::PendingDeprecationWarning tests/sdk/export "$@" || failed="$failed 1.$minor,"
done
[ -z "$failed" ] || {
    echo "failed with opentelemetry-exporter-otlp${failed%,}" >&2
    exit 1
}
