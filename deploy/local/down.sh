#!/usr/bin/env bash
# Ends what up.sh has started, and nothing else, and deletes what it has kept.
exec "${PYTHON:-python}" "$(dirname "$0")/stack.py" down "$@"
