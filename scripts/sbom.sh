#!/bin/sh
# Write CycloneDX bills of materials into dist/: of the wheel (what it installs without extras) and of the image
# (what locks/processor.txt pins): sh scripts/sbom.sh. Needs dist/*.whl (make dist).
set -eu
cd "$(dirname "$0")/.."
tools=.venv-release/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bill() { # bill NAME ARGUMENTS OF PIP...: install into an empty environment, and list what is there
    name=$1
    shift
    python3 -m venv --without-pip "$work/$name"
    "$tools/python" -m pip --python "$work/$name/bin/python" install --quiet "$@"
    "$tools/cyclonedx-py" environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
        --output-file "dist/$name.cdx.json" "$work/$name/bin/python"
    echo "dist/$name.cdx.json: $(grep -c '"purl"' "dist/$name.cdx.json") packages"
}
wheel=$(echo dist/*.whl)
bill driftline "$wheel"
bill driftline-image --require-hashes --requirement locks/processor.txt
