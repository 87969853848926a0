#!/usr/bin/env bash
# Runs a command on a machine without a GPU, with a made-up CUDA of two devices beneath torch's own.
#
#   tests/fake_cuda/run.sh [command]      default: the tests for CUDA
#
# torch's allocators, streams, events and graphs are the real ones; CUDA's runtime, cuBLAS and the
# driver are stood in for, and the CPU computes. The environment ($PYTHON) must have a CUDA build of
# torch with the wheels that it brings, nvidia-cuda-crt of the same release, cmake, ninja, pytest,
# and safeasr, built with that torch. FAKE_CUDA_PRINT=1 prints at each process' end what was asked
# of the devices. With FAKE_CUDA_IDLE=1 nothing is computed and texts are made up: what time is
# measured then is the host's.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
build=${FAKE_CUDA_BUILD:-$root/build-fake-cuda}
cmake -S "$root" -B "$build" -G Ninja -DSAFEASR_BUILD_EXTENSION=OFF -DSAFEASR_BUILD_FAKE_CUDA=ON \
  -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" >/dev/null
cmake --build "$build" -- --quiet >&2
cd "$root"
[ $# -gt 0 ] || set -- "$python" -m pytest -o addopts= -q tests/runtime/test_cuda.py tests/fake_cuda/test_fake_cuda.py
libraries=$build/tests/fake_cuda
preload=$(ls "$libraries"/lib{cudart,cublas,cublasLt,cuda}.so.* | tr '\n' ' ')
export FAKE_CUDA=$libraries/fake_cuda_operators.so
export PYTHONPATH="$root/tests/fake_cuda/site${PYTHONPATH:+:$PYTHONPATH}"
LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" LD_PRELOAD="$preload" exec "$@"
