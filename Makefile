# Everything here makes its own environment in .venv first. Needs python3 (>= 3.10, with venv), a
# C++17 compiler, cmake and make.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(VENV)/bin/pip
TORCH ?= torch==2.13.0
JOBS ?= $(shell nproc)
# With make, whatever CMAKE_GENERATOR says: the options after `--` below are make's.
CMAKE := cmake -G "Unix Makefiles"
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export CMAKE_BUILD_PARALLEL_LEVEL = $(JOBS)

.PHONY: all venv build demo test test-all unit fake-device tsan asan asan-extension ray lint tidy format bench fuzz soak parity clean
all: build

# torch first and pinned: otherwise a dependency would pull its newest CUDA build, several GB.
$(VENV)/.dependencies: pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q "$(TORCH)" numpy scikit-build-core pybind11 ninja "cmake>=3.18"
	$(PY) -c "import tomllib" 2>/dev/null || $(PIP) install -q tomli
	$(PY) cmake/requirements.py funasr bench benchmarks test | $(PIP) install -q -r /dev/stdin
	touch $@

venv: $(VENV)/.dependencies

SOURCES := $(shell find csrc python cmake -type f -not -name '*.pyc' 2>/dev/null) CMakeLists.txt

$(VENV)/.installed: $(VENV)/.dependencies $(SOURCES)
	$(PIP) install -q --no-build-isolation --no-deps --force-reinstall .
	touch $@

build: $(VENV)/.installed

demo: build
	$(PY) examples/demo.py
	$(PY) examples/live.py
	$(PY) examples/conversation.py

# C++ tests of the core, then everything else.
unit:
	$(CMAKE) -S . -B build-unit -DSAFEASR_BUILD_EXTENSION=OFF -DSAFEASR_BUILD_TESTS=ON >/dev/null
	cmake --build build-unit -j $(JOBS) -- -s
	ctest --test-dir build-unit -j $(JOBS) --output-on-failure

# An accelerator for tests to pretend that there is one.
fake-device: $(VENV)/.dependencies
	$(CMAKE) -S . -B build-fake -DSAFEASR_BUILD_EXTENSION=OFF -DSAFEASR_BUILD_FAKE_DEVICE=ON \
	  -DPython_EXECUTABLE=$(CURDIR)/$(PY) >/dev/null
	cmake --build build-fake -j $(JOBS) -- -s

# Tests wait for each other's threads and for processes: two at a time keep two cores busy. Each has
# up to 3 GB.
TESTERS ?= 2
# A worker that is gone is a failure, not to be tried again and again.
PYTEST := $(PY) -m pytest -n $(TESTERS) --dist loadfile --max-worker-restart 0

# Without what takes long: about 12 minutes on two cores, of which 2 go into building tests.
test: unit build fake-device
	$(PYTEST) -m "not (slow or full_size or soak)"

test-all: unit build fake-device
	$(PYTEST)

# Inputs that nobody foresaw; what is found is printed and kept in .hypothesis.
MINUTES ?= 10
fuzz: build
	cd tests && ../$(PY) -m fuzz --minutes $(MINUTES)

# Everything at once from 64 threads, every answer checked.
CALLS ?= 1000000
soak: build
	cd tests && ../$(PY) -m soak --calls $(CALLS)

# Every family, its options and kinds of input against FunASR, to docs/parity.md.
parity: build
	cd tests && ../$(PY) -W ignore -m parity

# Replicas behind Ray Serve, in an environment of its own beside .venv: half a gigabyte.
RAY := .venv-ray
$(RAY)/.installed: $(VENV)/.installed
	$(PY) -m venv --without-pip $(RAY)
	$(PIP) install -q --target $(RAY)/packages "ray[serve]==2.60.0"
	$(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $$($(RAY)/bin/python -c \
	  "import sysconfig; print(sysconfig.get_path('purelib'))")/beside.pth
	echo $(CURDIR)/$(RAY)/packages >> $$($(RAY)/bin/python -c \
	  "import sysconfig; print(sysconfig.get_path('purelib'))")/beside.pth
	touch $@

ray: $(RAY)/.installed
	$(RAY)/bin/python -m pytest -q tests/serve/test_ray.py

tsan:
	$(CMAKE) -S . -B build-tsan -DSAFEASR_BUILD_EXTENSION=OFF -DSAFEASR_BUILD_TESTS=ON \
	  -DSAFEASR_SANITIZE=thread >/dev/null
	cmake --build build-tsan -j $(JOBS) -- -s
	ctest --test-dir build-tsan -j $(JOBS) --output-on-failure

asan:
	$(CMAKE) -S . -B build-asan -DSAFEASR_BUILD_EXTENSION=OFF -DSAFEASR_BUILD_TESTS=ON \
	  -DSAFEASR_SANITIZE=address,undefined >/dev/null
	cmake --build build-asan -j $(JOBS) -- -s
	ctest --test-dir build-asan -j $(JOBS) --output-on-failure

# The extension itself, under a short load of everything that it can do at once. Leaks are not looked
# for: Python and torch keep until the process ends what they made when it began. libstdc++ is
# preloaded so that the sanitizer finds the function that throws.
ASAN := build-asan-extension
UNDER_ASAN = LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
  PYTHONMALLOC=malloc PYTHONPATH=$(ASAN)/prefix:tests
asan-extension: $(VENV)/.dependencies
	$(CMAKE) -S . -B $(ASAN) -DSAFEASR_SANITIZE=address,undefined -DSAFEASR_UNITY=ON \
	  -DPython_EXECUTABLE=$(CURDIR)/$(PY) -Dpybind11_DIR=$$($(PY) -m pybind11 --cmakedir) >/dev/null
	cmake --build $(ASAN) -j $(JOBS) -- -s
	rm -rf $(ASAN)/prefix && mkdir $(ASAN)/prefix && cp -r python/safeasr $(ASAN)/prefix/
	cmake --install $(ASAN) --prefix $(ASAN)/prefix >/dev/null
	$(UNDER_ASAN) $(PY) -W ignore tests/asan/mixed_load.py
	$(UNDER_ASAN) $(PY) -m pytest -q tests/fuzz  # with the corpus of what was found before

$(VENV)/.dev: $(VENV)/.dependencies
	$(PY) cmake/requirements.py dev | $(PIP) install -q -r /dev/stdin
	touch $@

PYTHON_FOLDERS := python tests benchmarks training examples tools cmake
CXX_FILES := $(shell find csrc tests/cpp tests/fake_device tests/fake_cuda -name '*.h' -o -name '*.cc')
# What builds without torch, so that clang-tidy needs nothing but a compiler's headers.
TIDY_FILES := $(wildcard csrc/core/*.cc csrc/kernels/*.cc csrc/asr/decode/ctc_*.cc csrc/asr/decode/vad_*.cc)

lint: $(VENV)/.dev build tidy
	$(VENV)/bin/ruff check $(PYTHON_FOLDERS)
	$(VENV)/bin/ruff format --check $(PYTHON_FOLDERS)
	$(VENV)/bin/mypy
	cd python && ../$(VENV)/bin/lint-imports --no-cache --no-logo ../pyproject.toml
	MYPYPATH=python $(VENV)/bin/stubtest --mypy-config-file pyproject.toml safeasr._ext
	$(VENV)/bin/clang-format --dry-run --Werror $(CXX_FILES)
	$(PY) tools/check_includes.py
	$(PY) tools/check_lengths.py
	$(VENV)/bin/codespell
	$(PY) -m pytest --collect-only -q >/dev/null  # two test files of one name, imports of what is gone

tidy: $(VENV)/.dev
	$(CMAKE) -S . -B build-unit -DSAFEASR_BUILD_EXTENSION=OFF -DSAFEASR_BUILD_TESTS=ON >/dev/null
	echo $(TIDY_FILES) | xargs -P $(JOBS) -n 4 $(VENV)/bin/clang-tidy -quiet -p build-unit

format: $(VENV)/.dev
	$(VENV)/bin/ruff check --fix $(PYTHON_FOLDERS)
	$(VENV)/bin/ruff format $(PYTHON_FOLDERS)
	$(VENV)/bin/clang-format -i $(CXX_FILES)

bench: build
	$(PY) -m benchmarks.run

clean:
	rm -rf build build-unit build-fake build-fake-cuda build-tsan build-asan $(ASAN) $(RAY) $(VENV)/.installed
