#!/usr/bin/env bash
# Starts a whole cluster on this machine, in network namespaces: see docs/operations.md. Options: --host, --cores N.
# PYTHON is the one that has orchestrator installed.
exec "${PYTHON:-python}" "$(dirname "$0")/stack.py" up "$@"
