#!/usr/bin/env bash
# The main job of Mizuumi on the local stand: tables from git to Glue, fresh, and read back; and a cluster that works on them.
#
#   stand/demo.sh        run it (the stand is up)
#   stand/demo.sh spark  the same, with a Spark for the cluster's step (JUDGE_HOME: tests/judge/engines.sh spark)
#   stand/demo.sh stop   stop the controller that the demo left running
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${CARGO_TARGET_DIR:?set by the Makefile}/debug
export PATH=$bin:$PATH
examples=examples/quickstart
publishing=examples/publishing
emr=examples/emr
mart=examples/mart
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

start_controller() { # the configuration's folder
  mkdir -p "$(dirname "$pid_file")" "$(dirname "$log")"
  setsid mizuumi controller --config "$1/mizuumi.yaml" > "$log" 2>&1 < /dev/null &
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

# PySpark's Spark, with a configuration of its own: the jars of S3A are not among PySpark's.
spark_home() {
  local home=$PWD/.stand/spark pyspark
  pyspark=$("${JUDGE_HOME:?tests/judge/engines.sh spark}/venv/bin/python" -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')
  rm -rf "$home"
  mkdir -p "$home/conf"
  ln -s "$pyspark"/{bin,jars,python} "$home/"
  cat > "$home/conf/spark-defaults.conf" << CONF
spark.driver.extraClassPath $JUDGE_HOME/jars/*
spark.driver.bindAddress 127.0.0.1
spark.driver.host 127.0.0.1
spark.ui.enabled false
CONF
  echo "$home"
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
if [ -n "$(kubectl get dtbl,ijob,irun,emrc,srcc --output=name)" ]; then
  # What an earlier demo left: let it go without a controller, then forget that AWS ever had it.
  kubectl annotate dtbl,ijob,irun,emrc,srcc --all mizuumi.dev/abandon=true --overwrite > /dev/null
  kubectl delete dtbl,ijob,irun,emrc,srcc --all --wait=false > /dev/null
  kubectl delete events --all > /dev/null
fi
# An AWS that has forgotten everything, where steps of EMR run as processes with the stand's Python.
steps=(PATH="$(dirname "$python"):$PATH" MIZUUMI_EMR_STEPS="$PWD/.stand/steps")
job=busiest-routes
if [ "${1:-}" = spark ]; then
  job=busiest-routes-spark
  steps+=(SPARK_HOME="$(spark_home)")
fi
env "${steps[@]}" mizuumi-stand restart localaws > /dev/null
start_controller "$examples"
kubectl wait --for=delete dtbl,ijob,irun,emrc,srcc --all --timeout=30s > /dev/null
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

say "9. A cluster of EMR: it starts, does its step over the flights, and ends with it"
echo "  the platform gives the installation clusters: roles, subnets, logs, and a class with rules"
stop_controller
start_controller "$emr"
# A minute of EMR is half a second here.
curl --silent --fail --header 'content-type: application/json' --data '{"speed": 120}' "$AWS_ENDPOINT_URL/_localaws/emr" > /dev/null
"$python" stand/demo/routes.py upload
show kubectl apply --filename "$emr/class.yaml" --filename "$emr/flights${job#busiest-routes}.yaml"
show kubectl wait --for=jsonpath='{.status.phase}'=Completed "emrc/$job" --timeout=300s
show kubectl get emrc
show kubectl events --for "emrc/$job"
cluster=$(kubectl get emrc "$job" --output=jsonpath='{.status.clusterId}')
"$python" stand/demo/routes.py show "$cluster"
echo "  and nothing is left to pay for:"
mizuumi-localaws clusters

say "10. A mart: each month as soon as the flights cover it, while a reader asks all the time"
"$python" stand/demo/mart.py upload
show kubectl apply --filename "$mart/10-carriers.yaml" --filename "$mart/20-cluster.yaml" --filename "$mart/30-job.yaml"
show kubectl wait --for=condition=Ready dtbl/carriers ijob/carriers --timeout=60s
over=.stand/run/demo-is-over
rm -f "$over"
"$python" stand/demo/mart.py read "$over" &
reader=$!
midnight() { TZ=America/New_York date --date="$1" +%Y-%m-%dT00:00:00%:z; }
show mizuumi run carriers --at "$(midnight "$(date +%Y-%m-01)")" --wait --timeout 5m
echo "  the month that is on is not over: its run waits"
next=$(mizuumi run carriers --at "$(midnight "$(date +%Y-%m-01) next month")" --output name)
kubectl wait --for=jsonpath='{.status.phase}'=Pending "$next" --timeout=60s > /dev/null
kubectl get "$next" --output=jsonpath='{range .status.conditions[*]}  {.type}: {.message}{"\n"}{end}'
echo "  its flights come, weeks before anybody looks for them, so who brings them says so; nobody has to start anything:"
"$python" stand/demo/mart.py bring
show kubectl annotate dtbl flights mizuumi.dev/requested-at="$(date)" --overwrite
show kubectl wait --for=condition=Succeeded "$next" --timeout=300s
echo "  once more, the first one; readers see the old data or the new:"
show mizuumi run carriers --at "$(midnight "$(date +%Y-%m-01)")" --wait --timeout 5m
touch "$over"
wait "$reader"
show kubectl get ijob,irun --selector=mizuumi.dev/job=carriers

say "11. A source: a MariaDB whose flights grow by the hour comes in, hour by hour, and is compared"
stop_controller
start_controller examples/sources
"$python" stand/demo/source.py

say "12. Done in $((SECONDS - begin)) s. The stand is still running. Try:"
cat << TRY
  source .stand/env; PATH=$bin:\$PATH
  kubectl describe dtbl flights
  kubectl edit dtbl airlines                      # change the description: Glue follows at once
  kubectl annotate dtbl flights mizuumi.dev/requested-at="\$(date)" --overwrite
  kubectl describe emrc $job            # its life, its steps, what it cost
  kubectl delete dtbl planes                      # the Glue table stays: deletionPolicy is Retain
  $python stand/demo/query.py                     # ask the catalog again
  make down                                       # stops everything
TRY
