"""Programs come from files: outputs that are not a family's own are refused, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from safeasr import InferenceError, _ext
from support.programs import save

MELS, SIZE, TOKENS = 20, 12, 9


@pytest.fixture
def engine() -> Iterator[Any]:
    one = _ext.Engine(num_workers=1, queue_size=64)
    yield one
    one.close(drain=False)


def refused(ticket: Any, program: str) -> str:
    assert ticket.wait(60)
    with pytest.raises(InferenceError) as caught:
        ticket.get()
    message = str(caught.value)
    assert message.startswith(f"the program '{program}' returned "), message
    assert " where it should return " in message
    return message


def features(rows: int = 30, size: int = MELS) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, size)).astype(np.float32)


class Encoder(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> list[Tensor]:
        hidden = features[:, :12].contiguous()
        alphas = torch.full([hidden.size(0)], 0.4)
        if self.kind == "one":
            return [hidden]
        if self.kind == "none":
            return []
        if self.kind == "three":
            return [hidden, alphas, alphas]
        if self.kind == "double":
            return [hidden.double(), alphas]
        if self.kind == "short":
            return [hidden, alphas[1:]]
        if self.kind == "flat":
            return [hidden.flatten(), alphas]
        return [hidden, alphas]


class Decoder(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(
        self, embeddings: Tensor, offsets: Tensor, memory: Tensor, memory_offsets: Tensor
    ) -> list[Tensor]:
        ids = embeddings[:, :9].argmax(1)
        if self.kind == "none":
            return []
        if self.kind == "few":
            return [ids[:1]]
        if self.kind == "float":
            return [ids.float()]
        if self.kind == "scores":
            return [embeddings]
        return [ids]


def paraformer(tmp_path: Path, encoder: str = "", decoder: str = "") -> Any:
    return _ext.ParaformerRunner(
        frontend=_ext.Frontend(n_mels=MELS),
        encoder=_ext.Program.load(save(Encoder(encoder), tmp_path / "encoder.ts")),
        decoder=_ext.Program.load(save(Decoder(decoder), tmp_path / "decoder.ts")),
        tail_threshold=0.45,
        cif_left=1,
        cif_right=1,
    )


def test_a_paraformer_of_good_programs(engine: Any, tmp_path: Path) -> None:
    ticket = paraformer(tmp_path).submit(engine, features())
    assert ticket.wait(60) and len(ticket.get()["tokens"]) > 5


@pytest.mark.parametrize("kind", ["one", "none", "three", "double", "short", "flat"])
def test_paraformers_encoder(engine: Any, tmp_path: Path, kind: str) -> None:
    message = refused(paraformer(tmp_path, encoder=kind).submit(engine, features()), "encoder")
    assert message.endswith("hidden float32 (32, any), weights float32 (32)")


@pytest.mark.parametrize("kind", ["none", "few", "float", "scores"])
def test_paraformers_decoder(engine: Any, tmp_path: Path, kind: str) -> None:
    message = refused(paraformer(tmp_path, decoder=kind).submit(engine, features()), "decoder")
    assert "should return ids int64 (16)" in message


class SenseVoice(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(
        self,
        features: Tensor,
        queries: Tensor,
        order: Tensor,
        positions: Tensor,
        offsets: Tensor,
        banned: Tensor,
        wanted: Tensor,
    ) -> list[Tensor]:
        ids, scores = order % 9, torch.zeros(int(wanted.sum()), 9)
        if self.kind == "one":
            return [ids]
        if self.kind == "few":
            return [ids[:3], scores]
        if self.kind == "int32":
            return [ids.int(), scores]
        if self.kind == "scores":
            return [ids, scores[1:]]
        return [ids, scores]


@pytest.mark.parametrize("kind", ["one", "few", "int32", "scores", ""])
def test_sense_voice(engine: Any, tmp_path: Path, kind: str) -> None:
    runner = _ext.SenseVoiceRunner(
        frontend=_ext.Frontend(n_mels=MELS),
        program=_ext.Program.load(save(SenseVoice(kind), tmp_path / "network.ts")),
        blank=0,
    )
    ticket = runner.submit(engine, features(), queries=[0, 1, 2, 3], want_alignment=True)
    if kind:
        assert "log probabilities float32 (30, any)" in refused(ticket, "network")
    else:
        assert ticket.wait(60) and ticket.get()["emission"].frames == 30


class Scorer(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, features: Tensor, lengths: Tensor, cache: Tensor) -> list[Tensor]:
        scores = torch.softmax(features[:, :, :5], 2)
        if self.kind == "one":
            return [scores]
        if self.kind == "short":
            return [scores[:, 1:], cache]
        if self.kind == "cache":
            return [scores, cache[:, 1:]]
        if self.kind == "type":
            return [scores.double(), cache]
        return [scores, cache]


@pytest.mark.parametrize("kind", ["one", "short", "cache", "type", ""])
def test_detectors(engine: Any, tmp_path: Path, kind: str) -> None:
    model = _ext.VadModel(
        frontend=_ext.OnlineFrontend(n_mels=MELS),
        scorer=_ext.Program.load(save(Scorer(kind), tmp_path / "scorer.ts")),
        cache_shape=[2, 3],
    )
    stream = _ext.VadRunner(model).open(engine, _ext.VadOptions())
    ticket = stream.submit(np.zeros(16000, np.float32), is_final=True)
    if kind:
        assert "caches float32 (1, 2, 3)" in refused(ticket, "scorer")
    else:
        assert ticket.wait(60) and ticket.get() == {"segments": [[0, 980]]}


class StepEncoder(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        past: Tensor,
        order: Tensor,
        offsets: Tensor,
        neighbours: Tensor,
        caches: list[Tensor],
        spans: Tensor,
    ) -> list[Tensor]:
        x = torch.cat([past, features]).index_select(0, order)
        hidden, alphas = x[:, :12].contiguous(), torch.full([x.size(0)], 0.4)
        if self.kind == "two":
            return [hidden, alphas]
        if self.kind == "short":
            return [hidden, alphas[1:], x]
        if self.kind == "size":
            return [x, alphas, x]
        if self.kind == "type":
            return [hidden.half(), alphas, x]
        return [hidden, alphas, x]


class StepDecoder(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(
        self,
        embeddings: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        past: list[Tensor],
        next: list[Tensor],
    ) -> list[Tensor]:
        ids = embeddings[:, :9].argmax(1)
        for one in next:
            one.zero_()
        if self.kind == "none":
            return []
        if self.kind == "few":
            return [ids[1:]]
        if self.kind == "float":
            return [ids.float()]
        return [ids]


def step(engine: Any, tmp_path: Path, encoder: str, decoder: str) -> Any:
    runner = _ext.ParaformerStreamRunner(
        frontend=_ext.OnlineFrontend(n_mels=MELS, lfr_m=1, lfr_n=6),
        encoder=_ext.Program.load(save(StepEncoder(encoder), tmp_path / "encoder.ts")),
        decoder=_ext.Program.load(save(StepDecoder(decoder), tmp_path / "decoder.ts")),
        limits=_ext.BatchLimits(),
        encoder_layers=1,
        encoder_size=SIZE,
        decoder_layers=1,
        decoder_kernel=3,
        cif_left=1,
        cif_right=1,
        tail_threshold=0.45,
        feature_scale=1.0,
    )
    stream = runner.open(engine, chunk_size=(0, 10, 5), encoder_look_back=0, decoder_look_back=0)
    return stream.submit(np.zeros(9600 * 2, np.float32), is_final=True)


@pytest.mark.parametrize("tensor_ops", [False, True])
@pytest.mark.parametrize("kind", ["two", "short", "size", "type", ""])
def test_streaming_encoder(
    engine: Any, tmp_path: Path, kind: str, tensor_ops: bool, request: pytest.FixtureRequest
) -> None:
    if tensor_ops:
        request.getfixturevalue("tensor_op_path")
    ticket = step(engine, tmp_path, kind, "")
    if kind:
        assert "embedded float32" in refused(ticket, "encoder")
    else:
        assert ticket.wait(60) and ticket.get()["tokens"]


@pytest.mark.parametrize("tensor_ops", [False, True])
@pytest.mark.parametrize("kind", ["none", "few", "float"])
def test_streaming_decoder(
    engine: Any, tmp_path: Path, kind: str, tensor_ops: bool, request: pytest.FixtureRequest
) -> None:
    if tensor_ops:
        request.getfixturevalue("tensor_op_path")
    assert "ids int64" in refused(step(engine, tmp_path, "", kind), "decoder")
