#!/usr/bin/env bash
# The chart's dashboards as pictures, on a stand of its own. Called by `make dashboards`.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${MIZUUMI_CACHE:?set by the Makefile}
bin=${CARGO_TARGET_DIR:?set by the Makefile}/debug
stand/clients.sh
(cd stand/panels && go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$cache/bin/panels" .)
export PATH=$bin:$cache/bin:$PATH PYTHONDONTWRITEBYTECODE=1
mkdir -p docs/src/pictures
"$bin/mizuumi-stand" --dir .stand/dashboards with --fresh -- "$cache/venv/bin/python" tests/platform/dashboards.py docs/src/pictures
