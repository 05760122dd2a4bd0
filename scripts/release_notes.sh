#!/bin/sh
# Print the section of CHANGELOG.md of a version, after checking that all files name it: sh scripts/release_notes.sh 0.1.0
set -eu
cd "$(dirname "$0")/.."
version=$1

named() { # named FILE LINE
    grep -qxF "$2" "$1" || { echo "release_notes.sh: $1 does not have the line '$2'" >&2; exit 1; }
}
named pyproject.toml "version = \"$version\""
named otel-config/helm/driftline/Chart.yaml "appVersion: \"$version\""
named otel-config/helm/driftline/Chart.yaml "version: $version"

notes=$(awk -v heading="## $version" 'index($0, "## ") == 1 {inside = index($0, heading " ") == 1 || $0 == heading; next} inside' CHANGELOG.md)
[ -n "$notes" ] || { echo "release_notes.sh: CHANGELOG.md has no section '## $version'" >&2; exit 1; }
printf '%s\n' "$notes"
