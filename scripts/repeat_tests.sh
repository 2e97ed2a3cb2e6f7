#!/usr/bin/env bash
# Runs the whole suite several times in a row, without second tries, and prints each failure.
#
#   scripts/repeat_tests.sh [RUNS] [LOAD]
#
# RUNS defaults to 3. LOAD is the number of busy processes that compete with the tests, by default 0;
# the tests alone are a load of 4 to 8. As in the gates, two tests a processor run at a time.
# The output of a run with a failure stays in target/repeated-RUN.txt.
# The exit code is 0 if every test passed in every run. A run takes 15 min on two quiet cores.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-3} load=${2:-0}
export CI="${CI:-true}"
log=$(mktemp)
busy=()
finish() {
    ((${#busy[@]} == 0)) || kill "${busy[@]}" 2>/dev/null || true
    rm -f "$log"
}
trap finish EXIT

cargo nextest run --profile ci --locked --no-run
for ((i = 0; i < load; i++)); do
    (while :; do :; done) &
    busy+=($!)
done
failed=0
for ((run = 1; run <= runs; run++)); do
    began=$SECONDS
    if ! cargo nextest run --profile ci --locked --test-threads $(($(nproc) * 2)) >"$log" 2>&1 </dev/null; then
        failed=$((failed + 1))
        cp "$log" "target/repeated-$run.txt"
    fi
    echo "run $run of $runs, $load busy processes: $((SECONDS - began)) s," \
        "load average of 15 min $(cut -d ' ' -f 3 /proc/loadavg)"
    grep -E '^ +(FAIL|TIMEOUT|SIGKILL|Summary)' "$log" || tail -n 20 "$log"
done
echo "$failed of $runs runs failed"
[[ $failed -eq 0 ]]
