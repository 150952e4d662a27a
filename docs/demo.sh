#!/usr/bin/env bash
# From data to an ensemble of networks that answers over HTTP, in under three minutes. `make demo` runs it; it leaves
# nothing behind.
set -euo pipefail

folder=$(mktemp -d)
export ORCHESTRATOR_HOME="$folder/home" MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
cleanup() {
  orchestrator undeploy breast_cancer >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

show() { printf '\n$ %s\n' "$*"; "$@"; }

# a TabM, a RealMLP, an MLP and a ResNet, each on three folds
show orchestrator sweep sklearn:breast_cancer --trials 4 --folds 3 --epochs 20 --scheduler none
show orchestrator deploy models:/breast_cancer@champion --port "$port" --detach
show orchestrator status
printf '\n$ POST http://127.0.0.1:%s/predict\n' "$port"
python - "$port" <<'PYTHON'
import json
import sys
import urllib.request

from orchestrator import load_table

frame = load_table("sklearn:breast_cancer").frame.iloc[[0, 19]]
rows = frame.drop(columns="target").to_dict("records")
request = urllib.request.Request(
    f"http://127.0.0.1:{sys.argv[1]}/predict", json.dumps(rows).encode(), {"content-type": "application/json"}
)
with urllib.request.urlopen(request, timeout=30) as response:
    answers = json.load(response)
for truth, row, answer in zip(frame["target"], rows, answers["predictions"]):
    said = f"mean_radius {row['mean_radius']}, ... -> {answer['label']} {max(answer['probabilities'].values()):.3f}"
    print(f"{said} (it is {truth})")
PYTHON
show orchestrator undeploy breast_cancer
