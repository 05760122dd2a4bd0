#!/bin/sh
# Write otel-config/kubernetes/*.yaml from the chart: sh scripts/render_manifests.sh [FOLDER]. Needs helm, on the PATH or
# in .peers/ (make interop).
set -eu
cd "$(dirname "$0")/.."
folder=${1:-otel-config/kubernetes}
helm=$(PATH="$PWD/.peers:$PATH" command -v helm) || { echo "render_manifests.sh: helm is missing; run make interop" >&2; exit 1; }
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
"$helm" template driftline otel-config/helm/driftline --namespace driftline --kube-version 1.31.0 --output-dir "$rendered" >/dev/null
for file in "$rendered"/driftline/templates/*.yaml; do
    {
        echo "# Rendered from otel-config/helm/driftline by scripts/render_manifests.sh (make manifests)"
        sed '/^# Source: /d' "$file"
    } >"$folder/$(basename "$file")"
done
