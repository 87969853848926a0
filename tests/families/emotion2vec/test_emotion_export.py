"""emotion2vec's configurations and checkpoints: what is refused, and what may be left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import AutoModel, ExportError, UnsupportedModelError
from safeasr.bundles.settings import Settings
from safeasr.families.emotion2vec.convolutions import read_convolutions
from safeasr.families.emotion2vec.rows import hop_and_window, slopes_of
from support.audio import speech
from support.emotion import LABELS, write_emotion_dir

pytest.importorskip("funasr", reason="funasr makes the models")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_emotion_dir(tmp_path_factory.mktemp("emotion"))


def audio(**changed: Any) -> dict[str, Any]:
    return {"model_conf": {"modalities": {"audio": changed}}}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"model_conf": {"layer_norm_first": True}}, "layer_norm_first=True"),
        ({"model_conf": {"norm_affine": False}}, "norm_affine=False"),
        (audio(extractor_mode="default"), "extractor_mode='default'"),
        (audio(learned_alibi=True), "learned_alibi=True"),
        (audio(conv_pos_pre_ln=True), "conv_pos_pre_ln=True"),
    ],
)
def test_other_networks(changed: dict[str, Any], named: str, directory: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=named):
        AutoModel(str(directory), **changed)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"model_conf": {"num_heads": 5}}, r"num_heads must be a divisor of embed_dim, 64"),
        ({"model_conf": {"embed_dim": "wide"}}, r"embed_dim must be a whole number"),
        ({"model_conf": {"depth": -1}}, r"depth must be"),
        ({"model_conf": {"depth": 2}}, r"lacks \d+ parameters"),
        ({"model_conf": {"depth": 0}}, r"have no place in the network"),
        ({"model_conf": {"mlp_ratio": 3}}, r"size mismatch for .*mlp"),
        ({"model_conf": {"norm_eps": "small"}}, r"norm_eps must be a number"),
        (audio(conv_pos_groups=5), r"conv_pos_groups must be a divisor"),
        (audio(conv_pos_width=46), r"num_extra_tokens must be at least 11"),
        (audio(num_extra_tokens=3), r"num_extra_tokens must be at least 4"),
        (audio(num_alibi_heads=5), r"num_alibi_heads must be"),
        (audio(learned_alibi_scale_per_layer=True), r"size mismatch for .*alibi_scale"),
        (audio(use_alibi_encoder=False), r"have no place in the network.*alibi_scale"),
        (audio(feature_encoder_spec="[(64, 10, 5)]"), r"lacks|size mismatch|have no place"),
        (audio(feature_encoder_spec="__import__('os')"), r"feature_encoder_spec must be layers"),
        (audio(feature_encoder_spec=None), r"feature_encoder_spec must be"),
    ],
)
def test_what_does_not_fit(changed: dict[str, Any], named: str, directory: Path) -> None:
    with pytest.raises(ExportError, match=named):
        AutoModel(str(directory), **changed)


def test_what_pretraining_leaves(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    path = write_emotion_dir(tmp_path)
    weights = torch.load(path / "model.pt")
    assert any(".decoder." in name for name in weights)
    more = {"recon_proj.weight": torch.zeros(3), "_ema.blocks.0.norm1.bias": torch.zeros(3)}
    torch.save({"model": {**weights, **more}}, path / "model.pt")
    assert make_model(path).generate(speech(0.5))[0]["labels"]
    torch.save({**weights, "blocks.7.norm1.bias": torch.zeros(64)}, path / "model.pt")
    with pytest.raises(ExportError, match=r"no place in the network.*blocks\.7"):
        AutoModel(str(path))
    bare = (path / "config.yaml").read_text().replace("tokenizer: CharTokenizer", "")
    torch.save(weights, path / "model.pt")
    whole = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(bare)
    assert make_model(path).generate(speech(0.5))[0]["labels"] == []
    (path / "config.yaml").write_text(whole)
    head = {name: one for name, one in weights.items() if not name.startswith("proj.")}
    torch.save(head, path / "model.pt")
    with pytest.raises(ExportError, match="lacks 2 parameters"):
        AutoModel(str(path))
    torch.save(weights, path / "model.pt")
    (path / "tokens.txt").write_text("".join(f"{one}\n" for one in LABELS[:-1]))
    with pytest.raises(ExportError, match="size mismatch for proj"):
        AutoModel(str(path))


def test_convolutions() -> None:
    def read(text: Any) -> tuple[tuple[int, int, int], ...]:
        return read_convolutions(Settings({"spec": text}), "spec")

    published = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"
    assert read(published) == ((512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2)
    assert hop_and_window(read(published)) == (320, 400)
    assert read(" ([(1, 2, 3), (4, 5, 6)]) * 2") == ((1, 2, 3), (4, 5, 6)) * 2
    for wrong in (
        "", "[]", "[(1, 2)]", "[(1, 2, 3, 4)]", "[(1, 2, 0)]", "[(1, -2, 3)]", "[(1, 2, 3.0)]",
        "[(1, 2, True)]", "(1, 2, 3)", "[(1, 2, 3)] * 1001", "[(1, 2, 3)] * 10 ** 9",
        "4 * [(1, 2, 3)]",
        "[(1, 2, 3)] - [(1, 2, 3)]", "[[1, 2, 3]]", "open('x')", "[(1, 2, 3)", "[(1,2,3)]" * 9000,
        "(" * 300 + ")" * 300, "[x for x in y]", 5, [[1, 2, 3]],
    ):  # fmt: skip
        with pytest.raises(ExportError, match="spec must be"):
            read(wrong)


def test_slopes() -> None:
    """As FunASR's, for numbers of heads that are powers of two, and others."""
    from funasr.models.emotion2vec.base import get_alibi

    for heads in (1, 2, 3, 4, 6, 8, 12, 16, 20):
        expected = -get_alibi(2, heads)[:, 0, 1]
        torch.testing.assert_close(torch.tensor(slopes_of(heads)), expected)
