"""OpenVINO's int8 networks, made from the exported ONNX file by NNCF.

NNCF is asked for two kinds. In the one all linear layers have int8 weights and int8 inputs, whose
ranges are found on a few utterances. In the other only weights are int8, of embeddings and
convolutions too; OpenVINO turns inputs into int8 as it runs, each row by its own range.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.exported import model_file

if TYPE_CHECKING:
    from benchmarks.peers.adapters import Files

#: Linear layers with ranges found on utterances; weights alone.
CALIBRATED, WEIGHTS = "openvino_calibrated.xml", "openvino_weights.xml"
#: How many utterances ranges are found on.
UTTERANCES = 8
#: What stays in floating point: attention's products and FSMN, as in FunASR's own int8 export, and
#: the predictor, for a small error there moves all tokens. For products of two activations and for
#: FSMN's convolutions NNCF 3.4 would also take frames for channels and fix their number.
FLOATING = (r".*_attn/MatMul.*", r".*fsmn_block.*", r".*predictor.*")


def can_quantize() -> bool:
    """Whether the packages are installed."""
    return all(importlib.util.find_spec(name) for name in ("openvino", "nncf"))


def _save(model: Any, path: Path) -> None:
    """Write both files of a network; the .xml is renamed last, so it vouches for the other."""
    import openvino as ov

    draft = path.with_name(f"{os.getpid()}.draft.xml")
    ov.save_model(model, str(draft), compress_to_fp16=False)
    draft.with_suffix(".bin").replace(path.with_suffix(".bin"))
    draft.replace(path)


def _calibration(files: Files) -> list[list[Any]]:
    """The network's inputs for some utterances that no load has."""
    from benchmarks.common.audio import long_clips
    from benchmarks.peers.adapters_onnx import Exported

    around = Exported(files)
    # Lengths of their own, so cuts of their own.
    _, clips = long_clips(UTTERANCES, 4.0, 16.0)
    return [around.inputs([one.samples]) for one in clips]


def quantize(files: Files) -> None:
    """Make both int8 networks, unless they are there."""
    import nncf
    import openvino as ov

    core = ov.Core()

    def network(draft: Path = files.exported / "openvino.draft.xml") -> Any:
        # Read from OpenVINO's own format: in what is read from ONNX, NNCF meets nodes of unused
        # branches and stops.
        if not draft.is_file():
            onnx = core.read_model(str(model_file(files.exported, "float32")))
            ov.save_model(onnx, str(draft), compress_to_fp16=False)
        return core.read_model(str(draft))

    if not (path := files.exported / WEIGHTS).is_file():
        mode = nncf.CompressWeightsMode.INT8_SYM
        _save(nncf.compress_weights(network(), mode=mode), path)
    if not (path := files.exported / CALIBRATED).is_file():
        inputs = _calibration(files)
        made = nncf.quantize(
            network(),
            nncf.Dataset(inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(patterns=list(FLOATING), validate=False),
        )
        _save(made, path)
    for draft in files.exported.glob("openvino.draft.*"):
        draft.unlink()
