#!/usr/bin/env bash
# What the job runs, on the cluster's head. A second run of it goes on with the sweep that the first one has begun.
set -euo pipefail
cd "$(mktemp -d)"
# the files of a ConfigMap are links, beside folders that begin with dots
tar --directory /etc/sweep --exclude './..*' --dereference --create . | tar --extract
exec orchestrator sweep --config sweep.yaml --resume --tracking-timeout 30m
