#!/usr/bin/env bash
# Derives the `replace` lines of stand/controlplane/go.mod for a Kubernetes version (the one there, if none is given).
#
# k8s.io/kubernetes v1.X.Y replaces its staging modules by folders of its own repository. Whoever uses it as a
# dependency must pin each of them to its published form, which is v0.X.Y.
set -euo pipefail
cd "$(dirname "$0")/controlplane"

current=$(go mod edit -json | jq -r '.Require[] | select(.Path == "k8s.io/kubernetes") | .Version')
version=${1:-$current}
staging=v0.${version#v1.}
echo "pinning Kubernetes $version, its staging modules to $staging"

theirs=$(go mod download -json "k8s.io/kubernetes@$version" | jq -r .GoMod)
[ -f "$theirs" ] || { echo "there is no k8s.io/kubernetes $version" >&2; exit 1; }

modules=$(go mod edit -json "$theirs" | jq -r '.Replace[] | select(.New.Path | startswith("./staging/")) | .Old.Path')
for module in $modules; do
  go mod edit -replace="$module=$module@$staging"
done
# This version may have dropped a module that an earlier one had.
for module in $(go mod edit -json | jq -r '.Replace[]? | .Old.Path'); do
  grep -qx "$module" <<<"$modules" || go mod edit -dropreplace="$module"
done
go mod edit -require="k8s.io/kubernetes@$version" -require="k8s.io/component-base@$staging" -require="k8s.io/apimachinery@$staging"
go mod tidy
echo "pinned $(wc -w <<<"$modules") modules; \`mizuumi-stand build\` builds it"
