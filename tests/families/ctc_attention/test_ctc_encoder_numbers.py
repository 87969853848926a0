"""Every encoder of CTC networks and hybrids: FunASR's numbers, and the same bits in any company."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import ExportError, UnsupportedModelError
from safeasr.bundles.settings import Settings
from safeasr.families.encoders import BuiltEncoder, build_encoder
from safeasr.nets.precision import narrow
from support.hybrid_batches import encode, program_of
from support.hybrids import ENCODERS, config_of, random_network
from support.models import write_cmvn
from support.precision import OPTIONS, require
from support.ragged import on_tensor_op_path

pytest.importorskip("funasr", reason="funasr is the reference")

#: Largest difference of float32 rows that a last norm has brought to about 1.
TOLERANCE = 1e-4
ROWS_OF_TABLE = 20
#: Class of the model, and what differs from its usual encoder.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ENCODERS},
    "half the rows": ("Conformer", {"input_layer": "conv2d2"}),
    "a sixth": ("Conformer", {"input_layer": "conv2d6"}),
    "an eighth": ("Transformer", {"input_layer": "conv2d8"}),
    "by distance": ("Conformer", {"rel_pos_type": "latest"}),
    "absolute": (
        "Conformer",
        {"pos_enc_layer_type": "abs_pos", "selfattention_layer_type": "selfattn"},
    ),
    "neither convolution nor macaron": (
        "Conformer",
        {"use_cnn_module": False, "macaron_style": False, "activation_type": "relu"},
    ),
    "relu": ("Conformer", {"activation_type": "relu", "attention_heads": 4}),
    "mean of branches": (
        "Branchformer",
        {"merge_method": "fixed_ave", "cgmlp_weight": [0.3], "rel_pos_type": "legacy"},
    ),
    "no feed-forward": ("EBranchformer", {"use_ffn": False, "merge_conv_kernel": 5}),
    "a linear layer in the gate": (
        "EBranchformer",
        {"use_linear_after_conv": True, "macaron_ffn": False, "ffn_activation_type": "relu"},
    ),
    "more rows than encodings": (
        "EBranchformer",
        {"rel_pos_type": "legacy", "max_pos_emb_len": ROWS_OF_TABLE},
    ),
}
LENGTHS = (15, 64, 201, 15)


#: Relative error against float32. Several times what these networks show.
BOUNDS = {"bfloat16": 0.02, "int8": 0.06}


@dataclass(frozen=True)
class Subject:
    """An encoder of FunASR's and ours with its weights."""

    theirs: torch.nn.Module
    built: BuiltEncoder
    size: int

    def clips(self) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(9)
        return [torch.randn(length, self.size, generator=generator) for length in LENGTHS]


def forget(encoder: torch.nn.Module) -> None:
    """Let an encoder of FunASR have the encodings of positions that it began with."""
    encodings = encoder.embed.out[-1]
    encodings.pe = None
    encodings.extend_pe(torch.tensor(0.0).expand(1, ROWS_OF_TABLE))


def subject(name: str, folder: Path) -> Subject:
    model, encoder = VARIANTS[name]
    config = config_of(model, encoder={"num_blocks": 1, **encoder})
    size = config["frontend_conf"]["n_mels"] * config["frontend_conf"]["lfr_m"]
    write_cmvn(folder / "am.mvn", size)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = random_network(config, folder / "am.mvn", 20)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    if name == "more rows than encodings":  # it has heard an utterance, and keeps a longer table
        forget(network.encoder)
    return Subject(
        network.encoder, build_encoder(model, Settings.of(config), weights, set(), size), size
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_numbers(name: str, tmp_path: Path) -> None:
    """FunASR's, by both ways; and the same bits alone as in a batch."""
    one = subject(name, tmp_path)
    program, clips = program_of(one.built, tmp_path / "model.ts"), one.clips()
    together = encode(program, one.built, clips)
    with on_tensor_op_path():
        forced = encode(program, one.built, clips)
    # FunASR's tables of encodings grow with an utterance and stay so: the longest comes last.
    for i in sorted(range(len(clips)), key=lambda i: LENGTHS[i]):
        with torch.no_grad():
            # A copy: SenseVoice's encoder scales what it is given.
            expected = one.theirs(clips[i][None].clone(), torch.tensor([LENGTHS[i]]))[0][0].numpy()
        assert expected.std() > 0.3, "too little contrast: nothing would be shown"
        for found in (together[i], forced[i]):
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() < TOLERANCE
    for i, clip in enumerate(clips):
        [alone] = encode(program, one.built, [clip])
        assert np.array_equal(alone, together[i])


def test_a_long_utterance_leaves_nothing_behind(tmp_path: Path) -> None:
    """In FunASR it changes the numbers of all later ones, if positions are shifted."""
    one = subject("more rows than encodings", tmp_path)
    program, [short, *_, long, _] = program_of(one.built, tmp_path / "model.ts"), one.clips()

    def theirs(clip: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return one.theirs(clip[None], torch.tensor([len(clip)]))[0][0].numpy()

    fresh = theirs(short)
    theirs(long)
    assert np.abs(theirs(short) - fresh).max() > 0.01, "FunASR is mended"
    found = [encode(program, one.built, [clip])[0] for clip in (short, long, short)]
    assert np.array_equal(found[0], found[2])
    assert np.abs(found[0] - fresh).max() < TOLERANCE


@pytest.mark.parametrize("name", ["Conformer", "EBranchformer"])
@pytest.mark.parametrize("precision", list(OPTIONS))
def test_reduced_precisions(name: str, precision: str, tmp_path: Path) -> None:
    require(precision)
    one = subject(name, tmp_path)
    exact = encode(program_of(one.built, tmp_path / "wide.ts"), one.built, one.clips())
    narrow(one.built.network, precision)
    program = program_of(one.built, tmp_path / "narrow.ts")
    found = encode(program, one.built, one.clips())
    for i, clip in enumerate(one.clips()):
        assert np.array_equal(encode(program, one.built, [clip])[0], found[i])
        error = np.linalg.norm(found[i] - exact[i]) / np.linalg.norm(exact[i])
        assert 1e-5 < error < BOUNDS[precision]


def test_a_checkpoint_that_lacks_something(tmp_path: Path) -> None:
    config = config_of()
    write_cmvn(tmp_path / "am.mvn", 80)
    weights = random_network(config, tmp_path / "am.mvn", 20).state_dict()
    del weights["encoder.encoders.1.conv_module.norm.running_var"]
    with pytest.raises(ExportError, match=r"lacks 1 parameters.*running_var"):
        build_encoder("Conformer", Settings.of(config), weights, set(), 80)


@pytest.mark.parametrize(
    ("model", "key", "value", "error", "match"),
    [
        ("Conformer", "input_layer", "conv2dpad", UnsupportedModelError, "input_layer"),
        ("Conformer", "input_layer", None, UnsupportedModelError, "input_layer"),
        ("Conformer", "zero_triu", True, UnsupportedModelError, "zero_triu"),
        ("Conformer", "activation_type", "selu", UnsupportedModelError, "activation_type"),
        ("Conformer", "normalize_before", False, UnsupportedModelError, "normalize_before"),
        ("Conformer", "interctc_layer_idx", [1], UnsupportedModelError, "interctc_layer_idx"),
        ("Conformer", "rel_pos_type", "newest", UnsupportedModelError, "rel_pos_type"),
        ("Conformer", "selfattention_layer_type", "selfattn", UnsupportedModelError, "selfatt"),
        ("Conformer", "cnn_module_kernel", 4, ExportError, "odd"),
        ("Conformer", "attention_heads", 3, ExportError, "divisor"),
        ("Conformer", "output_size", "wide", ExportError, "output_size"),
        ("Conformer", "positionwise_layer_type", "conv1d", UnsupportedModelError, "positionwise"),
        ("Branchformer", "merge_method", "learned_ave", UnsupportedModelError, "merge_method"),
        ("Branchformer", "use_cgmlp", False, UnsupportedModelError, "use_cgmlp"),
        ("EBranchformer", "gate_activation", "relu", UnsupportedModelError, "gate_activation"),
        ("EBranchformer", "cgmlp_linear_units", 47, ExportError, "even"),
        ("SANM", "input_layer", None, UnsupportedModelError, "input_layer"),
        ("SANM", "input_layer", "conv2d", UnsupportedModelError, "input_layer"),
    ],
)
def test_what_the_networks_cannot_do(
    model: str, key: str, value: Any, error: type[Exception], match: str
) -> None:
    config = config_of(model, encoder={key: value})
    with pytest.raises(error, match=match):
        build_encoder(model, Settings.of(config), {}, set(), 560)


def test_means_that_leave_a_branch_out() -> None:
    for share in (0.0, 1.0, [0.5], 1, "half"):
        config = config_of(
            "Branchformer", encoder={"merge_method": "fixed_ave", "cgmlp_weight": share}
        )
        with pytest.raises(UnsupportedModelError, match="cgmlp_weight"):
            build_encoder("Branchformer", Settings.of(config), {}, set(), 80)
