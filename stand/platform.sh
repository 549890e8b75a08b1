#!/usr/bin/env bash
# The charts by both Helms, two teams' installations, what those who wait make of resources, on the stand that is up. Goes on after a failure, so that one run tells all.
set -uo pipefail
cd "$(dirname "$0")/.."
cache=${MIZUUMI_CACHE:?set by the Makefile}
export PATH=${CARGO_TARGET_DIR:?set by the Makefile}/debug:$cache/bin:$PATH PYTHONDONTWRITEBYTECODE=1

stand/clients.sh || exit 1
code=0
echo "the charts, as both Helms render them:"
"$cache/venv/bin/python" tests/platform/render.py || code=1
echo "two teams' installations, by Helm 3 and Helm 4:"
"$cache/venv/bin/python" tests/platform/install.py || code=1
echo "each kind in each state, to Argo CD, Flux and kstatus:"
"$cache/venv/bin/python" tests/platform/states.py || code=1
exit "$code"
