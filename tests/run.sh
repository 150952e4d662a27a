#!/usr/bin/env bash
# All tests, in four processes beside each other: most of the time they wait for processes to start.
# Usage: tests/run.sh [PYTHON]
set -uo pipefail
# without job control bash would make the streams, and all that they start, deaf to Ctrl-C
set -m
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
# two processes share the files of each kind, see tests/shared_files.py: who is free takes the next one. The longest
# come first, or one process would have the last of them alone
long=(gangs faults cluster streaming endpoint_updates serving sweep resume job_server)
slow=("${long[@]/#/tests/integration/test_}")
slow=("${slow[@]/%/.py}")
for file in tests/end_to_end/test_*.py tests/integration/test_*.py; do
  [[ " ${slow[*]} " = *" $file "* ]] || slow+=("$file")
done
units=(tests/unit/test_*.py)
logs=$(mktemp -d)
mkdir "$logs"/{slow,units}-taken
# hundreds of processes import it, which would each compile it where bytecode is not written
"$python" -m compileall -q orchestrator
declare -A processes
trap 'kill "${processes[@]}" 2> /dev/null; rm -rf "$logs"' EXIT

# plugins that are there by chance would be imported, and pytest would rewrite all of their files
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
plugins=(-p pytest_timeout -p _hypothesis_pytestplugin)

# name, niceness, which files, arguments of pytest
stream() {
  TESTS_SHARED_FOLDER="$logs/$3-taken" nice -n "$2" "$python" -m pytest "${plugins[@]}" -o console_output_style=classic \
    "${@:4}" > "$logs/$1" 2>&1 < /dev/null &
  processes[$1]=$!
}

stream slow 0 slow "${slow[@]}"
stream more_slow 0 slow "${slow[@]}"
# nothing waits for these; Ray's own workers have a niceness of 5
# networks and tables are small here: more threads of each process wait for one another, and take a fifth more time
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
stream units 19 units "${units[@]}"
stream more_units 19 units "${units[@]}"
echo "tests run in four processes, which takes a quarter of an hour; see $logs"
failed=()
for name in units more_units slow more_slow; do
  wait "${processes[$name]}" || failed+=("$name")
  unset "processes[$name]"
  printf '\n--- %s\n' "$name"
  cat "$logs/$name"
done
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}"
  exit 1
fi
