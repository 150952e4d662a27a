#!/usr/bin/env bash
# Tries an image as a user would: what it is, `orchestrator doctor`, a sweep over iris, an endpoint and a request to it.
# Usage: docker/check.sh [--engine docker|podman|buildah] [IMAGE]      the default is orchestrator:cpu
set -euo pipefail
engine=docker
if [ "${1:-}" = --engine ]; then engine=$2; shift 2; fi
image=${1:-orchestrator:cpu}
# one container: what the sweep has registered is in its file system
read -r -d '' inside << 'S' || true
set -euo pipefail
cd "$(mktemp -d)"
test "$(id -u)" = 1000 || { echo "the image runs as user $(id -u), not as 1000" >&2; exit 1; }
orchestrator --version
orchestrator doctor || test $? = 1
time orchestrator sweep sklearn:iris --preset quick --trials 4 --epochs 10 --time-budget 2m 2> sweep.log || { cat sweep.log >&2; exit 1; }
orchestrator deploy models:/iris@champion --port 18765 --detach
export ORCHESTRATOR_HEALTH_URL=http://127.0.0.1:18765/readyz
wget --quiet --tries=1 --timeout=4 --output-document=/dev/null "$ORCHESTRATOR_HEALTH_URL"
python - << 'P'
import json
from urllib.request import Request, urlopen

row = {"sepal length (cm)": 5.1, "sepal width (cm)": 3.5, "petal length (cm)": 1.4, "petal width (cm)": 0.2}
names = json.loads(urlopen("http://127.0.0.1:18765/schema").read())
row = dict(zip([column["name"] for column in names["columns"]], row.values(), strict=True))
asked = Request("http://127.0.0.1:18765/predict", json.dumps(row).encode(), {"Content-Type": "application/json"})
print(urlopen(asked).read().decode())
P
orchestrator undeploy iris
S
case $engine in
  docker | podman) exec "$engine" run --rm --shm-size 2g --ulimit nofile=65536:65536 --entrypoint tini "$image" -g -- bash -c "$inside" ;;
  buildah)
    export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
    # HAProxy needs more open files than the 1,024 of buildah's containers; they may have as many as this shell
    files=$(ulimit -Hn)
    container=$(buildah from --pull-never --ulimit "nofile=$files:$files" "$image")
    trap 'buildah rm "$container" > /dev/null' EXIT
    # a command here has the image's user and environment, but not its entrypoint
    buildah run "$container" -- tini -g -- bash -c "$inside"
    ;;
  *) echo "check.sh: --engine is docker, podman or buildah, not '$engine'" >&2; exit 2 ;;
esac
