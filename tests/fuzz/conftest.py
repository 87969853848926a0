"""How long is tried, and models to try with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from safeasr import AutoModel

# The same few examples on every run of `make test`; others each time in `make fuzz`.
_COMMON = {
    "deadline": None,  # a busy machine is no fault; what hangs is ended by the judge
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}
settings.register_profile("short", derandomize=True, max_examples=20, database=None, **_COMMON)
settings.register_profile(
    "long",
    max_examples=int(os.environ.get("SAFEASR_FUZZ_EXAMPLES", "500")),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
    **_COMMON,
)
settings.load_profile(os.environ.get("SAFEASR_FUZZ", "short"))


@pytest.fixture(scope="session")
def streaming_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoModel]:
    """A small streaming recogniser."""
    pytest.importorskip("funasr", reason="funasr makes the models")
    from support.streaming import SHAPES, write_streaming_dir

    path: Path = write_streaming_dir(tmp_path_factory.mktemp("streaming"), SHAPES[0])
    with AutoModel(str(path), num_workers=2, disable_pbar=True) as model:
        yield model
