"""Parity at the size of SenseVoiceSmall: 234 M parameters, 70 layers, 25,055 tokens.

Rounding adds up over layers, so small models alone prove little about large ones. The weights are
random: none are needed for parity.
"""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel
from support.audio import Samples, speech
from support.sense_voice import (
    SenseAnswer,
    SenseOracle,
    SenseShape,
    one_token_each,
    write_model_dir,
)

pytestmark = pytest.mark.full_size
pytest.importorskip("funasr", reason="funasr is the reference")

FULL = SenseShape(
    "full",
    encoder={"output_size": 512, "linear_units": 2048, "num_blocks": 50, "tp_blocks": 20},
)
LENGTHS = [0.4, 1.3, 2.7, 4.1, 6.6, 9.8]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"language": "zh", "use_itn": True},
    {"language": "en", "ban_emo_unk": True},
    {"language": "ja", "output_timestamp": True},
]


def test_equal_to_funasr_from_8_threads(tmp_path: Path) -> None:
    directory = write_model_dir(tmp_path, FULL)
    oracle = SenseOracle(directory)
    jobs: list[tuple[Samples, dict[str, Any], SenseAnswer]] = []
    for index, seconds in enumerate(LENGTHS):
        for options in OPTIONS:
            clip = speech(seconds, seed=index)
            answer = oracle(clip, **{**options, "output_timestamp": False})
            if options.get("output_timestamp") and one_token_each(directory, answer.result["text"]):
                answer = oracle(clip, **options)
            elif options.get("output_timestamp"):
                continue
            if answer.clear and answer.clear_times:
                jobs.append((clip, options, answer))
    del oracle  # two copies of the weights are enough
    gc.collect()
    assert len(jobs) > 0.7 * len(LENGTHS) * len(OPTIONS)
    assert any("words" in answer.result for _, _, answer in jobs)
    assert len({answer.result["text"] for _, _, answer in jobs}) > 0.6 * len(jobs)

    with AutoModel(str(directory), max_wait_ms=50, disable_pbar=True) as model:

        def differs(job: tuple[Samples, dict[str, Any], SenseAnswer]) -> str:
            clip, options, answer = job
            result = model.generate(clip, key="k", **options)[0]
            expected = {"key": "k", **answer.result}
            return "" if result == expected else f"{options}: expected {expected}, got {result}"

        with ThreadPoolExecutor(8) as pool:
            found = [one for one in pool.map(differs, jobs) if one]
        assert not found
        assert model.stats()["mean_batch_size"] > 1
