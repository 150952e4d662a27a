#!/usr/bin/env bash
# From data to answers over HTTP in under two minutes. `make demo` runs it; it leaves nothing behind.
set -euo pipefail

folder=$(mktemp -d)
export ORCHESTRATOR_HOME="$folder/home" MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
cleanup() {
  orchestrator undeploy iris >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

show() { printf '\n$ %s\n' "$*"; "$@"; }

show orchestrator sweep sklearn:iris --space quick --trials 10
show orchestrator trials
show orchestrator deploy models:/iris@champion --port "$port" --detach
show orchestrator status
printf '\n$ POST http://127.0.0.1:%s/predict\n' "$port"
python - "$port" <<'PYTHON'
import json
import sys
import urllib.request

rows = [
    {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2},
    {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5},
]
request = urllib.request.Request(
    f"http://127.0.0.1:{sys.argv[1]}/predict", json.dumps(rows).encode(), {"content-type": "application/json"}
)
with urllib.request.urlopen(request, timeout=30) as response:
    answers = json.load(response)
for row, answer in zip(rows, answers["predictions"]):
    print(row, "->", answer["label"], f"{max(answer['probabilities'].values()):.3f}")
PYTHON
show orchestrator undeploy iris
