#!/usr/bin/env bash
# Builds the programs that stand between git and a cluster, from Go modules: Helm 3 and 4, and what Argo CD, Flux and Prometheus make of
# resources. They are in the cache's `bin`; a second time it takes a second or two.
#
#   stand/clients.sh        build them
#   stand/clients.sh pin    have their modules be those of the stand's Kubernetes, as far as both use them
#
# Pinned so, the packages that both use are compiled once: a build of Helm after one of Kubernetes takes half as long.
set -euo pipefail
cd "$(dirname "$0")/clients"

if [ "${1:-}" = pin ]; then
  go mod edit -json | jq -r '.Replace[]?.Old.Path' | sed 's/^/-dropreplace=/' | xargs -r go mod edit
  # What kubectl is made of is what Helm is made of.
  (cd ../controlplane && go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}={{.Path}}@{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}{{end}}{{end}}' \
    k8s.io/kubectl/pkg/cmd k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1) |
    grep . | sort -u | sed 's/^/-replace=/' | xargs go mod edit
  go mod tidy
  exit
fi

bin=${MIZUUMI_CACHE:?set by the Makefile}/bin
mkdir -p "$bin"
build() { # name package
  # The same flags as those of the control plane, or the packages of both would be compiled twice.
  go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$bin/$1" "$2"
}
build helm3 helm.sh/helm/v3/cmd/helm
build helm4 helm.sh/helm/v4/cmd/helm
build promql ./cmd/promql
build verdicts ./cmd/verdicts
