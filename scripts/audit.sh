#!/bin/sh
# Look for known vulnerabilities in what the image installs: sh scripts/audit.sh. Says NOT RUN where the data of the
# Python Packaging Advisory Database cannot be reached, which is a failure in CI.
set -u
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if .venv-release/bin/pip-audit --requirement locks/processor.txt --require-hashes --disable-pip >"$log" 2>&1; then
    # A registry without the data answers that it does not know the package.
    if grep -q "not found on PyPI and could not be audited" "$log"; then
        echo "pip-audit NOT RUN: the data of vulnerabilities cannot be reached from here"
        [ -z "${GITHUB_ACTIONS:-}" ]
        exit
    fi
    cat "$log"
elif grep -qE "Max retries|Connection|Could not reach|ServiceError|ReadTimeout" "$log"; then
    echo "pip-audit NOT RUN: the data of vulnerabilities cannot be reached from here"
    [ -z "${GITHUB_ACTIONS:-}" ]
else
    cat "$log" >&2
    exit 1
fi
