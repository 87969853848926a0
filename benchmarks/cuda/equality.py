"""Answers of the device beside the CPU's, from many threads, in every precision.

Trained models must say the same. Weights at random have no margins: where two tokens are nearly
equally good, another rounding picks the other, so of them it is the numbers that are held to a
tolerance, and of texts the share of equal tokens is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.accuracy.numbers import Utterance, encode, fire, relative_error, score
from benchmarks.common.models import VOCABULARY
from benchmarks.common.sense_voice_model import VOCABULARY_SIZE
from benchmarks.cuda.context import Context
from benchmarks.cuda.seeded import FEATURES, described, model_dir
from safeasr import AutoModel, _ext
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.audio.noise import noise_clips, speech_like
from safeasr.bench.local import Feed, Measured, measure_calls, measure_sessions
from safeasr.bundles.model_dir import read_weights
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer import export as paraformer
from safeasr.families.sense_voice import export as sense_voice
from safeasr.nets.precision import narrow

THREADS = 64
#: Share of equal tokens that a trained model must reach, and relative error of hidden vectors and
#: scores (norm of the difference over the norm) that full-size networks may have.
EQUAL_TOKENS = {"float32": 1.0, "float16": 0.99, "bfloat16": 0.97}
RELATIVE_ERROR = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
STREAM = {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}

#: Answers of a model to some audio: by name of the item, each different one.
Ask = Callable[[AutoModel, Sequence[Clip], int], dict[str, set[str]]]


def ask_texts(model: AutoModel, items: Sequence[Clip], threads: int) -> dict[str, set[str]]:
    """Texts, from many threads; an error is a text of its own."""

    def call(audio: Any) -> str:
        return str(model.generate(audio)[0]["text"])

    return _texts(measure_calls(call, items, threads, passes=2))


def _texts(load: Measured) -> dict[str, set[str]]:
    if load.errors:
        raise RuntimeError(f"calls failed: {load.errors}")
    return load.texts


def ask_segments(model: AutoModel, items: Sequence[Clip], threads: int) -> dict[str, set[str]]:
    """Segments of a voice activity detector, as JSON."""

    def call(audio: Any) -> str:
        return json.dumps(model.generate(audio)[0]["value"])

    return _texts(measure_calls(call, items, threads, passes=2))


def ask_streams(model: AutoModel, items: Sequence[Clip], threads: int) -> dict[str, set[str]]:
    """Texts of live sessions, all at the same time, chunk by chunk."""

    def open_session() -> Feed:
        stream = model.stream(**STREAM)
        return lambda samples, last: str(stream.feed(samples, last)["text"])

    load = measure_sessions(open_session, items, max(threads, len(items)), paced=False)
    if load.errors:
        raise RuntimeError(f"sessions failed: {load.errors}")
    return {
        name: {"|".join(answer.times) for answer in answers}
        for name, answers in load.answers.items()
    }


def agreement(found: str, expected: str) -> float:
    """Share of equal tokens (characters) of two texts, in their order."""
    return SequenceMatcher(None, found, expected, autojunk=False).ratio()


def compare(found: dict[str, set[str]], expected: dict[str, set[str]]) -> dict[str, float]:
    """Shares of equal texts and tokens; and of items whose answer was always the same."""
    pairs = [(text, min(expected[name])) for name, texts in found.items() for text in texts]
    return {
        "equal_texts": float(np.mean([a == b for a, b in pairs])),
        "equal_tokens": float(np.mean([agreement(a, b) for a, b in pairs])),
        "steady": float(np.mean([len(texts) == 1 for texts in found.values()])),
        "answers": float(len(pairs)),
    }


@dataclass(frozen=True)
class Family:
    """A model and what it is asked.

    Attributes:
        name: in the table.
        model: name or directory.
        items: audio.
        ask: how.
        trained: it must say the same; otherwise the shares are told.
        precisions: that it has.
    """

    name: str
    model: Path | str
    items: Sequence[Clip]
    ask: Ask
    trained: bool
    precisions: tuple[str, ...] = tuple(EQUAL_TOKENS)


def _beside(
    context: Context, family: Family, precision: str, expected: dict[str, set[str]]
) -> None:
    """One model in one precision on the device, beside the CPU's answers in float32."""
    name, threads = f"{family.name}, {precision}", 8 if context.quick else THREADS
    with context.load(family.model, precision, num_workers=4) as one:
        row = compare(family.ask(one, family.items, threads), expected)
    context.put(name, row)
    text = f"{row['equal_texts']:.1%} of texts, {row['equal_tokens']:.2%} of tokens as on the CPU"
    remark = f"{len(family.items)} inputs, {threads} threads, always the same: {row['steady']:.0%}"
    if family.trained:
        wanted = EQUAL_TOKENS[precision]
        remark = f"{text} (at least {wanted:.0%}); {remark}"
        context.check(name, row["equal_tokens"] >= wanted, remark)
    else:
        context.row(name, text, remark)


def _families(context: Context, families: Sequence[Family]) -> None:
    """All of them in float32, then in the fastest precision, then in what is left."""
    first = ("float32", context.fastest())
    order = dict.fromkeys((*first, *context.precisions()))
    expected: dict[str, dict[str, set[str]]] = {}
    for precision in order:
        for family in families:
            if precision not in family.precisions:
                continue
            if context.left() < 0.1 * context.seconds:
                context.row(f"{family.name}, {precision}", "not run", "no time was left")
                continue
            if family.name not in expected:
                with context.load_on("cpu", family.model, "float32") as exact:
                    threads = len(os.sched_getaffinity(0))
                    expected[family.name] = family.ask(exact, family.items, threads)
            _beside(context, family, precision, expected[family.name])


def _to(network: nn.Module, precision: str, device: str) -> nn.Module:
    narrow(network, precision)
    return network.eval().requires_grad_(False).to(device)


def _paraformer_numbers(
    small: bool, features: Sequence[Tensor], precision: str, device: str, exact: list[Any]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Hidden vectors, CIF weights and scores of tokens that ``exact`` weights (if any) give."""
    model = described("paraformer", small)
    predictor = model.config["predictor_conf"]
    weights = read_weights(model.checkpoint)
    networks = paraformer.build_networks(model.config, weights, FEATURES, len(VOCABULARY))
    encoder, decoder = (_to(network, precision, device) for network in networks)
    found = []
    for place, rows in enumerate(features):
        one = Utterance(rows, int(predictor["l_order"]), int(predictor["r_order"]))
        for name in ("features", "positions", "neighbours"):
            setattr(one, name, getattr(one, name).to(device))
        hidden, alphas = encode(encoder, one)
        cut = (exact[place][1] if exact else alphas).cpu()
        tokens = fire(hidden.float().cpu(), cut, float(predictor["tail_threshold"]))
        scores = score(decoder, tokens.to(device), hidden)
        found.append((hidden.float().cpu(), alphas.float().cpu(), scores.float().cpu()))
    return found


def _sense_voice_numbers(
    small: bool, features: Sequence[Tensor], precision: str, device: str
) -> list[tuple[Tensor, Tensor]]:
    """Hidden vectors and scores of rows."""
    model = described("sense-voice", small)
    weights = read_weights(model.checkpoint)
    built = sense_voice.build_network(model.config, weights, FEATURES, VOCABULARY_SIZE)
    network = _to(built, precision, device)
    found = []
    for rows in features:
        queries = network.embed(torch.tensor([0, 1, 2, 15], device=device))
        x = torch.cat([queries, rows.to(device)])
        positions = torch.arange(1.0, len(x) + 1, device=device)
        hidden = network.encoder(x, positions, torch.tensor([0, len(x)]))
        scores = network.ctc.ctc_lo(hidden)
        found.append((hidden.float().cpu(), scores.float().cpu()))
    return found


@torch.inference_mode()
def _numbers(context: Context) -> None:
    small = context.quick
    frontend = _ext.Frontend(**offline_frontend("", described("paraformer", small)))
    waves = [speech_like(seconds, seed=seed) for seed, seconds in enumerate((2.0, 5.0, 9.0))]
    features = [torch.from_numpy(np.array(frontend.compute([wave])[0][0])) for wave in waves]
    for name, make in (("Paraformer", _paraformer_numbers), ("SenseVoice", _sense_voice_numbers)):
        more: tuple[Any, ...] = ([],) if make is _paraformer_numbers else ()
        exact = make(small, features, "float32", "cpu", *more)
        for precision in context.precisions():
            more = (exact,) if make is _paraformer_numbers else ()
            found = make(small, features, precision, context.device, *more)
            hidden = max(relative_error(a[0], b[0]) for a, b in zip(found, exact, strict=True))
            scores = max(relative_error(a[-1], b[-1]) for a, b in zip(found, exact, strict=True))
            best = [
                (a[-1].argmax(1) == b[-1].argmax(1)).float().mean()
                for a, b in zip(found, exact, strict=True)
            ]
            allowed = RELATIVE_ERROR[precision]
            context.check(
                f"numbers of {name}, {precision}",
                max(hidden, scores) <= allowed,
                f"relative error {hidden:.1e} of hidden vectors, {scores:.1e} of scores (at most "
                f"{allowed:.0e}); the best token is the same in {float(np.mean(best)):.1%}",
            )


def run(context: Context) -> None:
    """All families."""
    demo = embedded_clips()
    joined = [
        Clip(str(i), np.concatenate([one.samples for one in demo[i : i + 4]])) for i in range(12)
    ]
    trained = [
        Family("demo", "demo", demo, ask_texts, True),
        Family("demo, live", "demo-streaming", demo, ask_streams, True),
        Family("demo, voice activity", "demo-vad", joined, ask_segments, True, ("float32",)),
    ]
    _families(context, trained)
    _numbers(context)
    noise = noise_clips(4 if context.quick else 48, 2.0, 12.0)
    asked = {
        "paraformer": ask_texts,
        "sense-voice": ask_texts,
        "paraformer-streaming": ask_streams,
    }
    _families(
        context,
        [
            Family(kind, model_dir(kind, context.quick), noise, ask, False)
            for kind, ask in asked.items()
        ],
    )
