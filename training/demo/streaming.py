# SPDX-License-Identifier: Apache-2.0
"""The streaming demo model: FunASR's ParaformerStreaming in the offline model's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from funasr.tokenizer.char_tokenizer import CharTokenizer

from . import dataset
from .evaluate import STREAM, errors_between
from .model import build_from, model_config
from .vocabulary import TOKENS

KERNEL = 11


def streaming_config() -> dict[str, Any]:
    """The offline config with the parts that run chunk by chunk.

    Two chunk shapes are trained, as FunASR's published streaming models do:
    8 frames (480 ms) with 4 of look-ahead and 10 (600 ms) with 5.
    """
    conf = model_config()
    conf["model"] = "ParaformerStreaming"
    conf["encoder"] = "SANMEncoderChunkOpt"
    conf["encoder_conf"] |= {
        "input_layer": "pe_online",
        "chunk_size": [12, 15],
        "stride": [8, 10],
        "pad_left": [0, 0],
        "encoder_att_look_back_factor": [4, 4],
        "decoder_att_look_back_factor": [1, 1],
    }
    # The decoder's memory looks at earlier words only.
    conf["decoder_conf"]["sanm_shfit"] = (KERNEL - 1) // 2
    conf["frontend"] = "WavFrontendOnline"
    return conf


def build_streaming(init: Path, from_offline: bool) -> torch.nn.Module:
    """Make FunASR's ParaformerStreaming with the weights of a model directory."""
    model = build_from(streaming_config(), with_ctc=False)
    state = torch.load(init / "model.pt", weights_only=True)
    if from_offline:
        for name, value in state.items():
            if name.startswith("decoder.decoders.") and name.endswith("fsmn_block.weight"):
                # The offline kernel is centred, the streaming one ends at the
                # present word: the taps of the past keep their place, the rest are new.
                past = KERNEL // 2
                moved = torch.zeros_like(value)
                moved[..., past:] = value[..., : KERNEL - past]
                state[name] = moved
    model.load_state_dict(state)
    return model


class _LeadIn(torch.nn.Module):
    """Positions for a signal that starts after `frames` empty frames."""

    def __init__(self, embed: torch.nn.Module):
        super().__init__()
        self.embed = embed
        self.frames = 0

    def forward(self, x: torch.Tensor, cache: dict | None = None) -> torch.Tensor:
        if cache is not None:
            return self.embed(x, cache)
        return torch.cat([x[:, : self.frames], self.embed(x[:, self.frames :])], dim=1)


def with_lead_in(model: torch.nn.Module) -> None:
    """Let training see the start of a stream as FunASR's streaming inference does.

    There the first chunk is preceded by as many zero frames, without a
    position, as the chunk has of look-ahead.
    """
    encoder = model.encoder
    chunks, forward = encoder.overlap_chunk_cls, encoder.forward
    lead = encoder.embed = _LeadIn(encoder.embed)

    def wrapped(speech: torch.Tensor, lengths: torch.Tensor, *rest: Any, ind: int = 0) -> tuple:
        frames = chunks.chunk_size[ind] - chunks.stride[ind] - chunks.pad_left[ind]
        lead.frames = frames
        speech = torch.nn.functional.pad(speech, (0, 0, frames, 0))
        return forward(speech, lengths + frames, *rest, ind=ind)

    encoder.forward = wrapped


@torch.no_grad()
def stream_error(
    model: torch.nn.Module,
    corpus: dataset.Corpus,
    cmvn: tuple[torch.Tensor, torch.Tensor],
) -> float:
    """Word error rate on the dev set, with FunASR's own streaming step."""
    model.eval()
    tokenizer = CharTokenizer(token_list=TOKENS, unk_symbol="<unk>", split_with_space=True)
    conf = streaming_config()
    stride = STREAM["chunk_size"][1]
    wrong = total = 0
    for speech, _, text, _ in dataset.batches(corpus, cmvn, 1, None):
        cache = model.init_cache(
            {}, encoder_conf=conf["encoder_conf"], frontend_conf=conf["frontend_conf"], **STREAM
        )
        words: list[str] = []
        for at in range(0, speech.shape[1], stride):
            part = speech[:, at : at + stride].clone()
            words += model.generate_chunk(
                part,
                torch.tensor([part.shape[1]]),
                key=["dev"],
                tokenizer=tokenizer,
                cache=cache,
                is_final=at + stride >= speech.shape[1],
                device="cpu",
            )
        reference = [TOKENS[i] for i in text[0].tolist()]
        wrong += sum(errors_between(reference, words))
        total += len(reference)
    model.train()
    return wrong / max(total, 1)
