#!/usr/bin/env bash
# What only a machine with a GPU can show, as a table with the card's name. Exit code 0 only if every row has passed.
# Takes what the machine's Python has (its torch, too). Packages that it lacks are taken from wheels in .whl/, if there is
# such a folder. Needs no network. Under eight minutes on one card.
# Usage: tests/gpu/run.sh [CHECK...]      PYTHON=python3, WHEELS=.whl
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
wheels=${WHEELS:-$root/.whl}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" - << 'P' || exit 1
import os, sys
try:
    import torch
except ImportError:
    sys.exit("tests/gpu/run.sh: this Python has no torch; name another one with PYTHON=...")
if not torch.cuda.is_available() and os.environ.get("ORCHESTRATOR_GPU_DRY") != "cpu":
    sys.exit(f"tests/gpu/run.sh: torch {torch.__version__} sees no GPU here, so nothing was checked.")
P
if compgen -G "$wheels/*.whl" > /dev/null; then
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$work/site" "$wheels"/*.whl
fi
# as if the project were installed: it asks for its own version
"$python" - "$root/pyproject.toml" "$work/site" << 'P'
import pathlib, sys, tomllib
project = tomllib.loads(pathlib.Path(sys.argv[1]).read_text())["project"]
folder = pathlib.Path(sys.argv[2], f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
folder.mkdir(parents=True)
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
P
export PYTHONPATH="$work/site:$root${PYTHONPATH:+:$PYTHONPATH}"
# many processes import it at once, which would each compile it
"$python" -m compileall -q -j 0 "$root/orchestrator" "$work" > /dev/null 2>&1 || true
needed="import optuna, mlflow.store.tracking.sqlalchemy_store, ray.serve, ray.train.torch, ray.tune, orchestrator.cli"
"$python" -c "$needed" 2> "$work/problem" || {
  echo "tests/gpu/run.sh: a package is missing or does not fit ($(tail -n 1 "$work/problem")); put wheels into $wheels." >&2
  exit 1
}
export ORCHESTRATOR_HOME="$work/home" MLFLOW_DISABLE_TELEMETRY=true RAY_USAGE_STATS_ENABLED=0 PYTHONUNBUFFERED=1
"$python" "$root/tests/gpu/table.py" "$@"
