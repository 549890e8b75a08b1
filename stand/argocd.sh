#!/usr/bin/env bash
# The tests of health and actions by Argo CD's own engine. Called by `make argocd`.
set -euo pipefail
cd "$(dirname "$0")/argocd"
bin=${MIZUUMI_CACHE:?set by the Makefile}/bin
mkdir -p "$bin"
echo "building Argo CD's engine, five minutes the first time"
go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$bin/argocd" .
"$bin/argocd" ../../gitops/argocd/resource_customizations
