#!/usr/bin/env bash
# All tests, in four streams beside each other: most of the time they wait for processes to start.
# Usage: tests/run.sh [PYTHON]
set -uo pipefail
# without job control bash would make the streams, and all that they start, deaf to Ctrl-C
set -m
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
# one half shares a Ray, which takes its time to start; of the other half most tests start what they need
mapfile -t sharing < <(grep -l ray_cluster tests/integration/test_*.py | grep -v test_faults)
# in two halves, or one core has nothing to do when the other streams are over
units=(tests/unit/test_*.py)
odd=() even=()
for at in "${!units[@]}"; do
  if ((at % 2)); then odd+=("${units[at]}"); else even+=("${units[at]}"); fi
done
logs=$(mktemp -d)
# hundreds of processes import it, which would each compile it where bytecode is not written
"$python" -m compileall -q orchestrator
declare -A processes
trap 'kill "${processes[@]}" 2> /dev/null; rm -rf "$logs"' EXIT

# name, niceness, arguments of pytest
stream() {
  nice -n "$2" "$python" -m pytest "${@:3}" > "$logs/$1" 2>&1 < /dev/null &
  processes[$1]=$!
}

stream sharing 0 "${sharing[@]}"
stream others 0 tests/integration tests/end_to_end "${sharing[@]/#/--ignore=}"
# nothing waits for these; Ray's own workers have a niceness of 15
stream units 19 "${even[@]}"
stream more_units 19 "${odd[@]}"
echo "tests run in four streams, which takes a quarter of an hour; see $logs"
failed=()
for name in units more_units others sharing; do
  wait "${processes[$name]}" || failed+=("$name")
  unset "processes[$name]"
  printf '\n--- %s\n' "$name"
  cat "$logs/$name"
done
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}"
  exit 1
fi
