#!/usr/bin/env bash
# Build safeasr for the torch of this machine, then check and measure it on a CUDA device.
#
#   benchmarks/cuda.sh [arguments of `python -m benchmarks.cuda`]
#
# Nothing is installed into the environment: the package goes into a folder ($SAFEASR_TARGET,
# default build/cuda). The environment must have torch 2.11 to 2.14, pip, pybind11,
# scikit-build-core, cmake and ninja, and the machine a C++17 compiler; no CUDA toolkit is needed.
# For a machine without a network, $SAFEASR_WHEELS names a folder of wheels: those of packages that
# the environment lacks go into the same folder.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
target=${SAFEASR_TARGET:-$PWD/build/cuda}
mkdir -p "$target"
export PYTHONPATH="$target${PYTHONPATH:+:$PYTHONPATH}"
export PIP_DISABLE_PIP_VERSION_CHECK=1
export SAFEASR_CACHE=${SAFEASR_CACHE:-$PWD/build/cuda-cache}

# Prints those of its arguments, requirements or names of wheels, whose packages are missing.
missing() {
  "$python" - "$@" <<'PYTHON'
import re
import sys
from importlib import metadata
from pathlib import Path

for given in sys.argv[1:]:
    try:
        metadata.version(re.split(r"[-<>=!~ ]", Path(given).name)[0])
    except metadata.PackageNotFoundError:
        print(given)
PYTHON
}

if [ -n "${SAFEASR_WHEELS:-}" ]; then
  missing "$SAFEASR_WHEELS"/*.whl |
    xargs -r "$python" -m pip install -q --no-index --no-deps --target "$target"
fi
mapfile -t needed < <("$python" cmake/requirements.py)
lacking=$(missing "${needed[@]}")
if [ -n "$lacking" ]; then
  echo "missing: ${lacking//$'\n'/, }" >&2
  echo "install them, or name a folder with their wheels in SAFEASR_WHEELS" >&2
  exit 2
fi

began=$SECONDS
"$python" -m pip install -q --no-build-isolation --no-deps --upgrade --target "$target" .
echo "built in $((SECONDS - began)) s" >&2
exec "$python" -m benchmarks.cuda "$@"
