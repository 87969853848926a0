"""bfloat16 and int8: every answer alone as in any company, and close to float32's."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from safeasr import AutoModel, _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import read_weights
from safeasr.families.paraformer_streaming.export import build_networks
from safeasr.families.sense_voice.export import build_network
from safeasr.loading.export import open_bundle
from safeasr.nets.precision import PRECISIONS, narrow
from support import models, sense_voice, streaming
from support.audio import Samples, speech
from support.encoding import ROW_STEP, Floats, encode, neighbours
from support.precision import OPTIONS, require

pytest.importorskip("funasr", reason="funasr makes the models")

LENGTHS = [0.05, 0.06, 0.09, 0.2, 0.3, 0.5, 0.7, 1.1, 1.7, 2.2, 2.9, 3.3, 4.7, 6.1, 8.3, 15.2]
FAMILIES = ("Paraformer", "SenseVoiceSmall")
#: Relative error of hidden vectors and of log probabilities, largest error of CIF weights, against
#: float32. Several times what these networks show.
BOUNDS = {"bfloat16": (0.01, 0.01), "int8": (0.04, 0.03)}

Pieces = list[tuple[Samples, bool]]


@pytest.fixture(params=list(OPTIONS))
def precision(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a model of each kind once."""
    made: dict[str, Path] = {}
    write: dict[str, Callable[[Path], Path]] = {
        "Paraformer": models.write_model_dir,
        "SenseVoiceSmall": sense_voice.write_model_dir,
        "ParaformerStreaming": streaming.write_streaming_dir,
    }

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = write[kind](tmp_path_factory.mktemp("precision"))
        return made[kind]

    return get


def options_of(kind: str, index: int) -> dict[str, Any]:
    """Options of a call; they differ from one clip to the next."""
    if kind == "Paraformer":
        return {"pred_timestamp": index % 2 == 0}
    return {"language": ["auto", "zh", "en", "yue"][index % 4], "use_itn": index % 3 == 0}


@pytest.mark.parametrize("kind", FAMILIES)
def test_any_company_from_16_threads(
    kind: str,
    precision: str,
    directories: Callable[[str], Path],
    make_model: Callable[..., AutoModel],
) -> None:
    clips = [speech(seconds, seed=i) for i, seconds in enumerate(LENGTHS)]
    alone = make_model(directories(kind), max_batch_size=1, **OPTIONS[precision])
    assert alone.precision == precision
    expected = [
        alone.generate(clip, key="k", **options_of(kind, i))[0] for i, clip in enumerate(clips)
    ]
    texts = [one["text"] for one in expected]
    assert len(set(texts)) > len(texts) / 2
    assert max(map(len, texts)) > 20

    model = make_model(
        directories(kind), num_workers=2, max_batch_size=16, max_wait_ms=20, max_batch_frames=4000,
        **OPTIONS[precision],
    )  # fmt: skip
    plain = [alone.generate(clip, key="k")[0] for clip in clips]
    order = random.Random(precision).sample(range(len(clips)), len(clips))
    listed = model.generate([clips[i] for i in order], key=["k"] * len(clips))
    assert listed == [plain[i] for i in order]

    jobs = list(range(len(clips))) * 4
    random.Random(kind).shuffle(jobs)

    def run(thread: int) -> list[int]:
        return [
            i
            for i in jobs[thread::16]
            if model.generate(clips[i], key="k", **options_of(kind, i))[0] != expected[i]
        ]

    with ThreadPoolExecutor(16) as pool:
        assert not [i for part in pool.map(run, range(16)) for i in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


@pytest.mark.parametrize("kind", FAMILIES)
def test_cores_within_a_batch_change_no_answer(
    kind: str,
    precision: str,
    directories: Callable[[str], Path],
    make_model: Callable[..., AutoModel],
) -> None:
    one = make_model(directories(kind), intra_op_threads=1, **OPTIONS[precision])
    three = make_model(directories(kind), intra_op_threads=3, **OPTIONS[precision])
    for seed, seconds in enumerate(LENGTHS):
        clip = speech(seconds, seed=50 + seed)
        assert three.generate(clip, key="k") == one.generate(clip, key="k")


def test_live_streams_from_16_threads(
    precision: str, directories: Callable[[str], Path], make_model: Callable[..., AutoModel]
) -> None:
    """Streams of all chunk sizes, look-backs and ages share steps; each says what it says alone."""
    jobs: list[tuple[Pieces, dict[str, Any]]] = []
    for seed in range(16):
        chunk = [[0, 10, 5], [0, 8, 4], [5, 10, 5]][seed % 3]
        back = [(4, 1), (0, 0), (-1, -1), (2, 2)][seed % 4]
        sizes: Any = chunk[1] * 960 if seed % 2 else streaming.random_sizes(seed, 12000)
        jobs.append(
            (
                streaming.pieces_of(speech(2.5 + 0.4 * (seed % 7), seed=seed), sizes),
                {
                    "chunk_size": chunk,
                    "encoder_chunk_look_back": back[0],
                    "decoder_chunk_look_back": back[1],
                },
            )
        )
    model = make_model(directories("ParaformerStreaming"), max_wait_ms=4, **OPTIONS[precision])
    assert model.precision == precision
    alone = [streaming.safe_texts(model, *job) for job in jobs]
    assert len({"".join(texts) for texts in alone}) == len(jobs)
    before = model.stats()
    begun = threading.Barrier(len(jobs))

    def run(index: int) -> list[tuple[str, ...]]:
        begun.wait(60)
        return [streaming.safe_texts(model, *jobs[index]) for _ in range(2)]

    with ThreadPoolExecutor(len(jobs)) as pool:
        assert list(pool.map(run, range(len(jobs)))) == [[texts] * 2 for texts in alone]
    after = model.stats()
    steps = after["batched_requests"] - before["batched_requests"]
    assert steps > 2 * (after["batches"] - before["batches"]), "nobody had company"


def features(bundle: Bundle) -> list[Floats]:
    """Rows of several utterances; attention changes its way at 32 of them."""
    width = bundle.frontend["n_mels"] * bundle.frontend["lfr_m"]
    rng = np.random.default_rng(3)
    counts = (1, 2, 7, 31, 32, 40, 41, 64, 130, 200)
    return [rng.standard_normal((n, width)).astype(np.float32) for n in counts]


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_company_changes_no_bit(shape: models.Shape, tmp_path: Path) -> None:
    """Hidden vectors and CIF weights alone and in a batch, in every precision."""
    directory = models.write_model_dir(tmp_path, shape)
    for precision in filter(_ext.cpu_supports, PRECISIONS):
        bundle = open_bundle(directory, precision=precision)
        arrays = features(bundle)
        alone = [encode(bundle, [array])[0] for array in arrays]
        for together in (encode(bundle, arrays), encode(bundle, arrays[::-1])[::-1]):
            for (hidden, alphas), (hidden_b, alphas_b) in zip(alone, together, strict=True):
                assert np.array_equal(hidden, hidden_b), precision
                assert np.array_equal(alphas, alphas_b), precision


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_numbers_of_the_encoder(shape: models.Shape, precision: str, tmp_path: Path) -> None:
    """Close to float32's."""
    directory = models.write_model_dir(tmp_path, shape)
    wide, bundle = open_bundle(directory), open_bundle(directory, precision=precision)
    arrays = features(bundle)
    exact, found = encode(wide, arrays), encode(bundle, arrays)
    for (hidden, alphas), (hidden_32, alphas_32) in zip(found, exact, strict=True):
        error = np.linalg.norm(hidden - hidden_32) / np.linalg.norm(hidden_32)
        assert 1e-5 < error < BOUNDS[precision][0]  # more than nothing, or nothing was reduced
        assert np.abs(alphas - alphas_32).max() < BOUNDS[precision][1]


def test_numbers_of_sense_voice(precision: str, directories: Callable[[str], Path]) -> None:
    """Log probabilities: alone and in a batch within 1e-5, and close to float32's."""
    directory = directories("SenseVoiceSmall")
    config = yaml.safe_load((directory / "config.yaml").read_text())
    weights = read_weights(directory / "model.pt")
    g = torch.Generator().manual_seed(4)
    lengths = [1, 2, 40, 41, 130]
    arrays = [torch.randn(n, 560, generator=g) for n in lengths]

    def score(network: torch.nn.Module, some: list[int]) -> list[torch.Tensor]:
        rows = [lengths[i] + 4 for i in some]
        order: list[int] = []
        frame = 4 * len(some)
        for place, i in enumerate(some):
            order += [*range(4 * place, 4 * place + 4), *range(frame, frame + lengths[i])]
            frame += lengths[i]
        missing = -len(order) % ROW_STEP
        _, log_probs = network(
            torch.cat([arrays[i] for i in some]),
            torch.tensor([0, 1, 2, 15] * len(some)),
            torch.tensor(order + [0] * missing),
            torch.cat([*(torch.arange(1.0, n + 1) for n in rows), torch.ones(missing)]),
            torch.tensor([0, *rows]).cumsum(0),
            torch.zeros(len(order) + missing, dtype=torch.bool),
            torch.arange(len(order) + missing) < len(order),
        )
        return list(log_probs.split(rows))

    def load(which: str) -> torch.nn.Module:
        network = build_network(config, weights, 560, sense_voice.VOCAB_SIZE).eval()
        narrow(network, which)
        return network

    with torch.inference_mode():
        network, everyone = load(precision), list(range(len(lengths)))
        together, exact = score(network, everyone), score(load("float32"), everyone)
        for i in everyone:
            alone = score(network, [i])[0]
            said = exact[i] > -100  # without those that are never the best
            assert (alone - together[i])[said].abs().max() < 1e-5 * alone[said].abs().max()
            found = float((alone - exact[i])[said].norm() / exact[i][said].norm())
            assert 1e-6 < found < BOUNDS[precision][0]


def test_numbers_of_a_step(precision: str, directories: Callable[[str], Path]) -> None:
    """A live stream's step, whose rings of keys and values are bfloat16: close to float32's."""
    directory = directories("ParaformerStreaming")
    config = yaml.safe_load((directory / "config.yaml").read_text())
    weights = read_weights(directory / "model.pt")
    conf = config["encoder_conf"]
    layers, size = conf["num_blocks"], conf["output_size"]
    vocabulary = len(yaml.safe_load((directory / "tokens.json").read_text("utf-8")))
    features = torch.randn(3, 20, 560, generator=torch.Generator().manual_seed(0))

    def hidden(which: str) -> torch.Tensor:
        encoder, _ = build_networks(config, weights, 560, vocabulary)
        narrow(encoder, which)
        dtype = torch.float32 if which == "float32" else torch.bfloat16
        ring = torch.zeros(layers, 2, 40, size, dtype=dtype)
        steps = []
        for step, rows in enumerate(features):
            span = torch.tensor([[0, 20 * min(step, 1), 20 if step == 0 else 0]])
            out, _, _ = encoder.eval()(
                rows, torch.arange(20.0 * step + 1, 20.0 * step + 21), rows[:0], torch.arange(20),
                torch.tensor([0, 20]), torch.from_numpy(neighbours([20], 1, 1)), [ring], span,
            )  # fmt: skip
            steps.append(out)
        return torch.cat(steps)

    with torch.inference_mode():
        exact, found = hidden("float32"), hidden(precision)
    assert found.dtype == torch.float32
    error = float((found - exact).norm() / exact.norm())
    assert 1e-5 < error < BOUNDS[precision][0]
