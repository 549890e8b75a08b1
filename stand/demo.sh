#!/usr/bin/env bash
# The main job of Mizuumi on the local stand: tables from git to Glue, fresh, and read back.
#
#   stand/demo.sh        run it (the stand is up)
#   stand/demo.sh stop   stop the controller that the demo left running
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${CARGO_TARGET_DIR:?set by the Makefile}/debug
export PATH=$bin:$PATH
examples=examples/quickstart
publishing=examples/publishing
pid_file=.stand/run/mizuumi.pid
log=.stand/logs/mizuumi.log
begin=$SECONDS

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }

stop_controller() {
  [ -f "$pid_file" ] || return 0
  local pid
  pid=$(cat "$pid_file")
  # The id may belong to another process by now.
  if tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q 'mizuumi controller'; then
    kill "$pid" 2> /dev/null || true
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
  fi
  rm -f "$pid_file"
}

start_controller() {
  mkdir -p "$(dirname "$pid_file")" "$(dirname "$log")"
  setsid mizuumi controller --config "$examples/mizuumi.yaml" > "$log" 2>&1 < /dev/null &
  local pid=$!
  echo "$pid" > "$pid_file"
  for _ in $(seq 100); do
    grep -q ' ready ' "$log" && return 0
    if ! kill -0 "$pid" 2> /dev/null; then
      echo "the controller ended; its log, $log:" >&2
      cat "$log" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "the controller is not ready after 10 s; see $log" >&2
  exit 1
}

if [ "${1:-}" = stop ]; then
  stop_controller
  exit
fi

# shellcheck disable=SC1091
source .stand/env
python=${MIZUUMI_CACHE:?set by the Makefile}/venv/bin/python
# Messages of libraries about themselves are no part of the story.
export PYTHONWARNINGS=ignore
mapfile -t tables < <(ls "$examples"/[0-9]*.yaml)
applied=("${tables[@]/#/--filename=}")

say "1. The custom resources and the controller"
mizuumi crds | kubectl apply --server-side -f - > /dev/null
stop_controller
if [ -n "$(kubectl get dtbl,irun --output=name)" ]; then
  # What an earlier demo left: let it go without a controller, then forget that AWS ever had it.
  kubectl annotate dtbl,irun --all mizuumi.dev/abandon=true --overwrite > /dev/null
  kubectl delete dtbl,irun --all --wait=false > /dev/null
  kubectl delete events --all > /dev/null
fi
mizuumi-localaws reset > /dev/null
start_controller
kubectl wait --for=delete dtbl,irun --all --timeout=30s > /dev/null
echo "  controller running (configuration $examples/mizuumi.yaml, log $log)"

say "2. Data arrives in S3: real flights, ten months of them; two months are late"
"$python" stand/demo/load.py

say "3. What would an apply change? (mizuumi plan, read only)"
show mizuumi plan --config "$examples/mizuumi.yaml" --filename "$examples"

say "4. Apply the tables, wait until Glue has them"
show kubectl apply "${applied[@]}"
show kubectl wait --for=condition=Ready dtbl --all --timeout=60s
show kubectl get dtbl
echo "  the flights are Stale: the data ends two months ago, and the table says so"

say "5. The late months arrive; the job writes _SUCCESS last"
"$python" stand/demo/load.py late
show kubectl wait --for=condition=Fresh dtbl/flights --timeout=60s
show kubectl get dtbl flights
kubectl get dtbl flights --output=jsonpath='{range .status.conditions[*]}  {.type}: {.message}{"\n"}{end}'

say "6. Somebody changes the table behind the controller's back"
"$python" stand/demo/meddle.py
kubectl get dtbl flights --output=jsonpath='{range .status.drift.changes[*]}  {@}{"\n"}{end}'
show kubectl events --for dtbl/flights --types Normal

say "7. Read it through the catalog, with an engine that knows nothing of Mizuumi"
"$python" stand/demo/query.py
echo "  what other readers of the catalog see of its freshness:"
"$python" - << 'PY'
import boto3
table = boto3.client("glue").get_table(DatabaseName="nyc", Name="flights")["Table"]
for key in ("mizuumi.data_time", "mizuumi.loaded_at", "mizuumi.fresh_until", "mizuumi.layer", "mizuumi.owner"):
    print(f"    {key:<20} {table['Parameters'][key]}")
PY

say "8. A job publishes: its data goes into a directory of its own, and into the table all at once"
show kubectl apply --filename "$publishing/10-delays.yaml" --filename "$publishing/20-run.yaml"
show kubectl wait --for=condition=Ready dtbl/delays irun/delays-20261101-r0 --timeout=60s
"$python" stand/demo/job.py delays-20261101-r0
show kubectl wait --for=condition=Succeeded irun/delays-20261101-r0 --timeout=60s
"$python" stand/demo/job.py
echo "  the next revision takes hours for minutes:"
show kubectl apply --filename "$publishing/30-rerun.yaml"
show kubectl wait --for=condition=Ready irun/delays-20261101-r1 --timeout=60s
"$python" stand/demo/job.py delays-20261101-r1 bad
show kubectl wait --for=condition=Succeeded irun/delays-20261101-r1 --timeout=60s
"$python" stand/demo/job.py
echo "  so it is taken back:"
show kubectl apply --filename "$publishing/40-rollback.yaml"
show kubectl wait --for=condition=Succeeded irun/delays-20261101-r1-back --timeout=60s
"$python" stand/demo/job.py
show kubectl get irun

say "9. Done in $((SECONDS - begin)) s. The stand is still running. Try:"
cat << TRY
  source .stand/env; PATH=$bin:\$PATH
  kubectl describe dtbl flights
  kubectl edit dtbl airlines                      # change the description: Glue follows at once
  kubectl annotate dtbl flights mizuumi.dev/requested-at="\$(date)" --overwrite
  kubectl delete dtbl planes                      # the Glue table stays: deletionPolicy is Retain
  $python stand/demo/query.py                     # ask the catalog again
  make down                                       # stops everything
TRY
