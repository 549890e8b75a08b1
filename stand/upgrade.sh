#!/usr/bin/env bash
# An upgrade from an earlier revision under load, on a stand of its own. Called by `make upgrade`.
#
#   stand/upgrade.sh [REVISION]    without one: the newest tag, or the first revision that has charts
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${MIZUUMI_CACHE:?set by the Makefile}
bin=${CARGO_TARGET_DIR:?set by the Makefile}/debug
from=${1:-$(git describe --tags --abbrev=0 2> /dev/null || git log --diff-filter=A --format=%H -- charts/mizuumi/Chart.yaml | tail -1)}
revision=$(git rev-parse --short=12 "$from^{commit}")
earlier=$cache/upgrade/$revision
if [ ! -x "$earlier/mizuumi" ]; then
  echo "building $revision: $(git log -1 --format=%s "$revision")"
  mkdir -p "$earlier"
  # With the time of now: what another revision left in the target would pass for newer.
  git archive "$revision" | tar -x -m -C "$earlier"
  (cd "$earlier" && CARGO_TARGET_DIR=$cache/upgrade/target cargo build --workspace --bin mizuumi)
  cp "$cache/upgrade/target/debug/mizuumi" "$earlier/mizuumi"
fi
cargo build --workspace --bins
stand/clients.sh
export PATH=$bin:$cache/bin:$PATH PYTHONDONTWRITEBYTECODE=1
"$bin/mizuumi-stand" --dir .stand/upgrade with --fresh -- "$cache/venv/bin/python" tests/platform/upgrade.py "$earlier"
