#!/bin/sh
# Short tests with the lowest version of every dependency that pyproject.toml declares, in .venv-lowest/:
# sh scripts/lowest.sh [ARGUMENTS OF PYTEST]
set -eu
cd "$(dirname "$0")/.."

venv=.venv-lowest
python=$venv/bin/python
.venv/bin/python -m venv --clear "$venv"
"$python" -m pip install --quiet --upgrade pip uv

# uv resolves the declared dependencies to their floors, and all others to the newest that go with them.
uv() { "$python" -m uv --quiet "$@"; }
uv pip compile --resolution lowest-direct --no-annotate --no-header --output-file "$venv/floors.txt" \
    --extra demo --extra kafka --extra sql pyproject.toml
uv pip install --python "$python" --requirement "$venv/floors.txt" --no-deps
uv pip install --python "$python" --editable . --no-deps
uv pip install --python "$python" --constraint "$venv/floors.txt" \
    pytest pytest-xdist hypothesis jsonschema httpx2 fonttools pillow flask 'plotly>=5.24' 'polars>=1'

# The commands first: they import nearly everything.
"$venv/bin/driftline" --help >/dev/null
"$venv/bin/driftline" validate otel-config/driftline.yaml
"$venv/bin/driftline" evaluate examples/two_files/lastweek.parquet --baseline examples/two_files/reference.parquet \
    --task binary --score score --actual late --id id --time time >/dev/null
state=$(mktemp -d)
printf 'receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}\nweb: {endpoint: "127.0.0.1:0"}\n' >"$state/driftline.yaml"
"$venv/bin/driftline" up --config "$state/driftline.yaml" >"$state/log" 2>&1 &
process=$!
attempts=60
until "$python" -c 'import re, sys, urllib.request as http; http.urlopen(re.search(r"pages on (\S+)", open(sys.argv[1]).read())[1] + "/readyz")' \
    "$state/log" 2>"$state/answer"; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] && kill -0 "$process" || { cat "$state/log" >&2; exit 1; }
    sleep 1
done
kill -INT "$process"
wait "$process"
rm -r "$state"

PYTHONDONTWRITEBYTECODE='' OMP_NUM_THREADS=1 "$python" -m pytest -n "${WORKERS:-auto}" --dist loadfile \
    -m "not slow and not heavy and not interop and not simulation and not frameworks" \
    -W default::DeprecationWarning -W default::PendingDeprecationWarning -W 'ignore:Unclosed <MemoryObject:ResourceWarning' \
    tests/contracts tests/processor/config tests/processor/readers tests/processor/store \
    tests/processor/web/api tests/processor/notebook tests/sdk/baseline tests/sdk/distributions --ignore tests/processor/notebook/test_report_html.py "$@"
