#!/usr/bin/env bash
# Gets the engines into $MIZUUMI_CACHE/judge-engines, once for each change of this folder's versions; prints that folder.
#
#   engines.sh         Trino and Spark
#   engines.sh spark   Spark alone
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${MIZUUMI_CACHE:?set by the Makefile}/judge-engines
stamp=$(cat "$here/engines.sh" "$here/requirements.txt" | sha256sum | cut -c1-16)
mkdir -p "$home"
exec 9> "$home/lock"
flock 9

artifact() { # coordinates folder
  mvn -q -B dependency:copy -Dartifact="$1" -DoutputDirectory="$2" -Dmdep.useBaseVersion=true >&2
}

has() { [ "$(cat "$home/stamp-$1" 2> /dev/null)" = "$stamp" ]; }

# Trino without the plugins that nobody needs here: the Hive connector reads what Athena reads.
trino() {
  echo "getting Trino, 0.4 GB, some minutes the first time" >&2
  rm -rf "$home/trino"
  artifact io.trino:trino-server-core:476:tar.gz "$home"
  artifact io.trino:trino-hive:476:zip "$home"
  mkdir "$home/trino"
  tar -xzf "$home/trino-server-core-476.tar.gz" -C "$home/trino" --strip-components 1
  python3 -m zipfile -e "$home/trino-hive-476.zip" "$home/trino/plugin"
  rm -rf "$home/trino/plugin/hive"
  mv "$home/trino/plugin/trino-hive-476" "$home/trino/plugin/hive"
  rm -rf "$home/trino/plugin/hive/hdfs" "$home"/trino-*.tar.gz "$home"/trino-*.zip
}

# S3A for Spark's Hadoop 3.3.4, without the bundle of all AWS clients; and Hive's serde for JSON.
spark() {
  echo "getting Spark, 0.4 GB, some minutes the first time" >&2
  rm -rf "$home/jars" "$home/venv"
  mkdir -p "$home/jars"
  for coordinates in org.apache.hadoop:hadoop-aws:3.3.4 org.apache.hive.hcatalog:hive-hcatalog-core:2.3.9 \
    com.amazonaws:aws-java-sdk-{core,s3,kms,dynamodb,sts}:1.12.262 com.amazonaws:jmespath-java:1.12.262; do
    artifact "$coordinates" "$home/jars"
  done
  python3 -m venv "$home/venv"
  "$home/venv/bin/pip" install -q --disable-pip-version-check --no-input -r "$here/requirements.txt" >&2
}

for engine in "${@:-trino}" spark; do
  has "$engine" && continue
  # An installation that is broken off must not pass for a whole one.
  rm -f "$home/stamp-$engine"
  "$engine"
  echo "$stamp" > "$home/stamp-$engine"
done
echo "$home"
