#!/bin/sh
# Prints the krew manifest of a release: packaging/krew.sh VERSION URL ARCHIVE...
#
# VERSION is the release's tag (v0.1.0), URL the place that the archives are fetched from, without their names. Each archive is
# called mizuumi-OS-ARCH.tar.gz, such as mizuumi-linux-amd64.tar.gz, and holds `mizuumi` and LICENSE.
set -eu

if [ $# -lt 3 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 1
fi
version=$1 url=${2%/}
shift 2

cat <<EOF
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: mizuumi
spec:
  version: $version
  shortDescription: Plan, explain and take over a data lake on AWS
  description: |
    Mizuumi is GitOps for a data lake on AWS: Glue tables, EMR clusters, jobs and
    quality checks as Kubernetes resources. This plugin shows what an apply would
    change in AWS (plan, diff), why something is not ready or not fresh (explain,
    describe, status, freshness, lineage), and writes manifests of what there is
    (import).
  caveats: |
    The commands that read AWS (plan, diff, import, inventory, check) need the
    installation's configuration: --config, or MIZUUMI_CONFIG.
  platforms:
EOF
for archive in "$@"; do
    name=$(basename "$archive")
    platform=${name#mizuumi-}
    platform=${platform%.tar.gz}
    os=${platform%%-*} arch=${platform#*-}
    if [ "$name" != "mizuumi-$os-$arch.tar.gz" ]; then
        echo "error: $archive must be called mizuumi-OS-ARCH.tar.gz" >&2
        exit 1
    fi
    sum=$(sha256sum "$archive" | cut -d' ' -f1)
    cat <<EOF
  - selector:
      matchLabels:
        os: $os
        arch: $arch
    uri: $url/$name
    sha256: $sum
    bin: mizuumi
    files:
    - from: mizuumi
      to: .
    - from: LICENSE
      to: .
EOF
done
