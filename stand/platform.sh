#!/usr/bin/env bash
# The charts by both Helms, two teams' installations, what those who wait make of resources, on the stand that is up. Goes on after a
# failure, so that one run tells all.
set -uo pipefail
cd "$(dirname "$0")/.."
cache=${MIZUUMI_CACHE:?set by the Makefile}
export PATH=${CARGO_TARGET_DIR:?set by the Makefile}/debug:$cache/bin:$PATH PYTHONDONTWRITEBYTECODE=1
python=$cache/venv/bin/python

stand/clients.sh || exit 1
code=0
# Most of it is waiting, so two wait together.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"$python" tests/platform/states.py > "$said" 2>&1 &
states=$!
echo "the charts, as both Helms render them:"
"$python" tests/platform/render.py || code=1
echo "each kind in each state, to Argo CD, Flux and kstatus:"
wait "$states" || code=1
cat "$said"
echo "two teams' installations, by Helm 3 and Helm 4:"
"$python" tests/platform/install.py || code=1
exit "$code"
