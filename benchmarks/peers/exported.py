"""The ONNX files of a model: FunASR's own export, and a copy with sherpa-onnx's metadata.

Also OpenVINO's int8 networks, where OpenVINO and NNCF are installed: ``exported_openvino``.

    python -m benchmarks.peers.exported FAMILY MODEL_DIRECTORY OUT

Made once in a process of its own and kept in safeasr's cache, never in the repository.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

SHERPA = "sherpa"
SPM = "chn_jpn_yue_eng_ko_spectok.bpe.model"
_BESIDE = ("config.yaml", "configuration.json", "tokens.json", "am.mvn")


def model_file(directory: Path, precision: str) -> Path:
    """The file of a precision."""
    return directory / ("model_quant.onnx" if precision == "int8" else "model.onnx")


def read_cmvn(path: Path) -> tuple[Any, Any]:
    """Shift and scale of Kaldi's text format, float32 arrays of shape [width]."""
    import numpy as np

    rows = [
        np.array(line.split("[")[1].split("]")[0].split(), np.float32)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("<LearnRateCoef>")
    ]
    return rows[0], rows[1]


def pieces_of(directory: Path) -> Path | None:
    """The SentencePiece model of a directory, if it has one."""
    return next(iter(sorted(directory.glob("*bpe.model"))), None)


def _export(directory: Path, out: Path) -> None:
    import torch

    # torch 2.9 made another exporter the default, which refuses FunASR's networks; FunASR 1.4
    # passes nothing on that would choose the one that it was written for.
    torch.onnx.export = functools.partial(torch.onnx.export, dynamo=False)
    from funasr import AutoModel

    model = AutoModel(
        model=str(directory), device="cpu", disable_update=True, disable_pbar=True,
        log_level="ERROR",
    )  # fmt: skip
    model.export(type="onnx", quantize=True, output_dir=str(out))


def _numbers(values: Any) -> str:
    return ",".join(str(float(value)) for value in values)


def metadata(family: str, directory: Path) -> dict[str, str]:
    """What sherpa-onnx reads from an ONNX file: vocabulary, LFR, CMVN, SenseVoice's languages."""
    import yaml

    conf = yaml.safe_load((directory / "config.yaml").read_text(encoding="utf-8"))["frontend_conf"]
    shift, scale = read_cmvn(directory / "am.mvn")
    facts: dict[str, Any] = {
        "lfr_window_size": conf["lfr_m"],
        "lfr_window_shift": conf["lfr_n"],
        "neg_mean": _numbers(shift),
        "inv_stddev": _numbers(scale),
        "vocab_size": len(vocabulary(directory)),
        "version": 1,
    }
    if family == "sense-voice":
        languages = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
        facts |= {"model_type": "sense_voice_ctc", "normalize_samples": 0}
        facts |= {"with_itn": 14, "without_itn": 15}
        facts |= {f"lang_{name}": number for name, number in languages.items()}
    else:
        facts |= {"model_type": "paraformer", "model_author": "damo"}
    return {key: str(value) for key, value in facts.items()}


def vocabulary(directory: Path) -> list[str]:
    """The tokens in the order of their numbers."""
    if (file := pieces_of(directory)) is not None:
        import sentencepiece

        pieces = sentencepiece.SentencePieceProcessor(str(file))
        return [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    tokens: list[str] = json.loads((directory / "tokens.json").read_text(encoding="utf-8"))
    return tokens


def _for_sherpa(family: str, directory: Path, out: Path) -> None:
    import onnx

    (out / SHERPA).mkdir(exist_ok=True)
    facts = metadata(family, directory)
    for precision in ("float32", "int8"):
        model = onnx.load(str(model_file(out, precision)))
        onnx.helper.set_model_props(model, facts)
        onnx.save(model, str(model_file(out / SHERPA, precision)))
    lines = [f"{token} {number}\n" for number, token in enumerate(vocabulary(directory))]
    (out / SHERPA / "tokens.txt").write_text("".join(lines), encoding="utf-8")


def export(family: str, directory: Path, out: Path) -> None:
    """Make all files, unless they are there for this very model."""
    weights = (directory / "model.pt").stat()
    made_from = f"{weights.st_size} {weights.st_mtime_ns}"
    mark = out / "made-from.txt"  # written last, so it vouches for the others
    if mark.is_file() and mark.read_text(encoding="utf-8") == made_from:
        return
    draft = out.with_name(f"{out.name}.{os.getpid()}.draft")
    draft.mkdir(parents=True)
    try:
        for name in _BESIDE:
            if (directory / name).is_file():
                shutil.copyfile(directory / name, draft / name)
        if (pieces := pieces_of(directory)) is not None:
            shutil.copyfile(pieces, draft / SPM)  # the name that funasr_onnx looks for
        _export(directory, draft)
        _for_sherpa(family, directory, draft)
        (draft / mark.name).write_text(made_from, encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def main() -> None:
    """Make what the installed packages can make."""
    from benchmarks.peers.adapters import Files
    from benchmarks.peers.exported_openvino import can_quantize, quantize

    files = Files(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    export(files.family, files.directory, files.exported)
    if can_quantize():
        quantize(files)


if __name__ == "__main__":
    main()
