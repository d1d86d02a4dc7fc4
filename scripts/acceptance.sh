#!/usr/bin/env bash
# The manual testing checklist of the deployment guide, on three real nodes (and a fourth that comes and goes) on this machine, on the
# release build: prints each box with what was seen, ticked or not; exit status 1 if one is not. A minute and a half.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export VECTORIZER_BINARY=${VECTORIZER_BINARY:-$root/build/release/src/app/vectorizer} PYTHONUNBUFFERED=1
exec python3 -B "$root/tests/e2e/acceptance.py"
