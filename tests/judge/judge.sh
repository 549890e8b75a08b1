#!/usr/bin/env bash
# Real engines read what Mizuumi makes, on the stand that is up. Called by `make judge`.
set -euo pipefail
cd "$(dirname "$0")"
JUDGE_HOME=$(./engines.sh)
export JUDGE_HOME
# Steps of EMR are processes here, and find the engines' clients beside this file.
env PATH="$PWD/steps:$JUDGE_HOME/venv/bin:$PATH" MIZUUMI_EMR_STEPS="$PWD/../../.stand/judge/steps" \
  "$CARGO_TARGET_DIR/debug/mizuumi-stand" restart localaws > /dev/null
# Spark runs in a process of Java; its messages about itself are no verdict.
exec "$JUDGE_HOME/venv/bin/python" judge.py ../../.stand/judge 2> >(grep -v -e ' WARN ' -e '^Setting default log level' -e 'To adjust logging level' >&2)
