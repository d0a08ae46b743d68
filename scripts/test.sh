#!/usr/bin/env bash
# test.sh [CARGO ARGS]: runs the tests and ends with one line that sums what cargo counted.
# Fails when a test failed and when one was skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
[ ! -t 1 ] || export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}

# Sums libtest's result lines; $1 is cargo's exit status. A test program that died has no result line.
sum() {
  awk -v status="$1" '
    { gsub(/\033\[[0-9;]*m/, "") }
    /^test result: / {
      results++
      for (i = 2; i <= NF; i++) {
        if ($i == "passed;") passed += $(i - 1)
        if ($i == "failed;") failed += $(i - 1)
        if ($i == "ignored;") skipped += $(i - 1)
      }
    }
    /^running [0-9]+ tests?$/ { programs++ }
    END {
      if (status != 0) failed += programs - results
      if (status != 0 && failed == 0) {
        print "cargo test exited with " status " before every test could run"
        failed = 1
      }
      printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
      exit (status != 0 ? status : (skipped > 0))
    }'
}

status=0
# With the features that are off by default, so that their tests run too.
cargo test --workspace --features kubernetes,otlp --locked --no-fail-fast "$@" 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
sum "$status" <"$log"
