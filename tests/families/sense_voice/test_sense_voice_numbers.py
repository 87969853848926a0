"""SenseVoice's log probabilities in reduced precisions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from safeasr.bundles.model_dir import read_weights
from safeasr.families.sense_voice.export import build_network
from safeasr.nets.precision import narrow
from support import sense_voice
from support.encoding import ROW_STEP
from support.precision import OPTIONS, require

pytest.importorskip("funasr", reason="funasr makes the models")

#: Relative error against float32. Several times what these networks show.
BOUNDS = {"bfloat16": 0.01, "int8": 0.04}


@pytest.fixture(params=list(OPTIONS))
def precision(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


def test_numbers_of_sense_voice(precision: str, tmp_path: Path) -> None:
    """Log probabilities: alone and in a batch within 1e-5, and close to float32's."""
    directory = sense_voice.write_model_dir(tmp_path)
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
            assert 1e-6 < found < BOUNDS[precision]
