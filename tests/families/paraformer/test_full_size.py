"""Parity at the size of Paraformer-large: 220 M parameters, 50 + 16 layers, 8,404 tokens.

Rounding adds up over layers, so small models alone prove little about large ones. The weights are
random: none are needed for parity.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import yaml

from safeasr import AutoModel
from support.audio import Samples, recordings, speech
from support.models import SPECIAL, Shape, config_of, random_network, write_cmvn
from support.oracle import Answer, Oracle, answer_of
from support.paths import DATA

pytestmark = pytest.mark.full_size

LARGE = Shape(
    "paraformer-large",
    encoder={"output_size": 512, "attention_heads": 4, "linear_units": 2048, "num_blocks": 50},
    decoder={"attention_heads": 4, "linear_units": 2048, "num_blocks": 16, "att_layer_num": 16},
)
TOKENS = [*SPECIAL, *(chr(0x4E00 + i) for i in range(8400)), "<unk>"]


def published() -> Path | None:
    """Configuration, vocabulary and CMVN of the published model, if they are at hand."""
    root = DATA / "models" / "paraformer-large"
    return root if (root / "config.yaml").is_file() else None


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model, made once; kept between runs if SAFEASR_TEST_CACHE names a directory."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    kept = os.environ.get("SAFEASR_TEST_CACHE")
    out = Path(kept) / "paraformer-large" if kept else tmp_path_factory.mktemp("large")
    if not (out / "model.pt").is_file():
        out.mkdir(parents=True, exist_ok=True)
        source = published()
        if source is not None:
            for file in source.iterdir():
                shutil.copyfile(file, out / file.name)
        else:
            (out / "config.yaml").write_text(yaml.safe_dump(config_of(LARGE)))
            (out / "tokens.json").write_text(json.dumps(TOKENS))
            write_cmvn(out / "am.mvn", 560)
        config = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
        tokens = json.loads((out / "tokens.json").read_text(encoding="utf-8"))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = random_network(config, len(tokens), out / "am.mvn", rate=0.1)
        assert 200e6 < sum(p.numel() for p in network.parameters()) < 240e6
        draft = out / "model.draft"
        torch.save(network.state_dict(), draft)
        draft.rename(out / "model.pt")
    yield out
    if not kept:
        shutil.rmtree(out, ignore_errors=True)  # nearly a gigabyte


@pytest.fixture(scope="module")
def clips(directory: Path) -> list[tuple[Samples, Answer]]:
    """Clips and FunASR's answers; FunASR's copy of the model is gone afterwards."""
    oracle = Oracle(directory)
    sounds = [speech(seconds, seed=i) for i, seconds in enumerate([0.05, 0.4, 1.3, 2.6, 4.1, 7.0])]
    if recordings():
        import soundfile

        sounds.append(soundfile.read(recordings()[0], dtype="float32")[0])
    answers = [(sound, oracle(sound)) for sound in sounds]
    del oracle
    gc.collect()
    clear = [pair for pair in answers if pair[1].clear]
    assert len(clear) >= len(answers) - 1, "FunASR itself is in doubt about too many"
    assert max(len(answer.text) for _, answer in clear) > 7
    return clear


def test_parity_alone_and_in_company(directory: Path, clips: list[tuple[Samples, Answer]]) -> None:
    with AutoModel(
        model=str(directory), num_workers=2, max_batch_size=8, max_batch_frames=2000,
        max_wait_ms=50, disable_pbar=True,
    ) as model:  # fmt: skip

        def check(pair: tuple[Samples, Answer]) -> None:
            clip, answer = pair
            assert model.generate(clip)[0]["text"] == answer.text
            timed = answer_of(model.generate(clip, pred_timestamp=True)[0])
            if answer.timed is not None:
                assert timed[0] == answer.timed[0]
                if answer.clear_times:
                    assert timed == answer.timed

        for pair in clips:
            check(pair)
        with ThreadPoolExecutor(len(clips)) as pool:
            list(pool.map(check, clips))
        # Whether threads meet is chance; one call's inputs are queued together.
        before = model.stats()
        twice = clips * 4
        answers = model.generate([clip for clip, _ in twice])
        stats = model.stats()
        assert [a["text"] for a in answers] == [answer.text for _, answer in twice]
        requests = stats["batched_requests"] - before["batched_requests"]
        assert requests == len(twice)
        assert requests > stats["batches"] - before["batches"], "nobody had company"
