#!/usr/bin/env bash
# All tests, on the stand that is up. Called by `make test`; goes on after a failure, so that one run tells all.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=${CARGO_TARGET_DIR:?set by the Makefile}/debug
python=${MIZUUMI_CACHE:?set by the Makefile}/venv/bin/python

code=0
echo "the local AWS endpoint against moto, where moto is known to answer as AWS does:"
"$python" crates/mizuumi-localaws/conformance/conformance.py --binary "$bin/mizuumi-localaws" || code=1
echo "its EMR against moto, and a cluster's whole life by boto3's waiters:"
"$python" crates/mizuumi-localaws/conformance/emr.py --binary "$bin/mizuumi-localaws" || code=1
echo "its Athena, by boto3 and awswrangler:"
"$python" crates/mizuumi-localaws/conformance/athena.py --binary "$bin/mizuumi-localaws" || code=1
echo "its ECS against moto, and tasks by boto3's waiters:"
"$python" crates/mizuumi-localaws/conformance/ecs.py --binary "$bin/mizuumi-localaws" || code=1
echo "the images for sources, with a real MariaDB and a real PostgreSQL:"
(cd images && MIZUUMI_DATABASES=$(../stand/databases.sh) "$python" -m unittest discover -q -t . -s tests) || code=1
stand/platform.sh || code=1
cargo test --workspace --no-fail-fast || code=1
exit "$code"
