#!/bin/sh
# Lists the Python packages of an environment as CycloneDX, in FOLDER/sbom.cdx.json. Usage: sbom.sh FOLDER
# What makes the list is no part of the image.
set -eu
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/pip" install --quiet --no-cache-dir cyclonedx-bom==7.5.0
# reproducible: without the time and a number of its own
"$tool/bin/cyclonedx-py" environment --output-reproducible --output-file "$1/sbom.cdx.json" "$1"
