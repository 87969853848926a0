"""OpenVINO on the exported network, without a library around it."""

from __future__ import annotations

import os
import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.peers.adapters import UnavailableError
from benchmarks.peers.adapters_onnx import Exported
from benchmarks.peers.exported import model_file
from benchmarks.peers.exported_openvino import CALIBRATED, WEIGHTS
from benchmarks.peers.setups import Setup

if TYPE_CHECKING:
    from benchmarks.peers.adapters import Files


@dataclass(frozen=True)
class Way:
    """How OpenVINO computes.

    Attributes:
        hint: INFERENCE_PRECISION_HINT: what is not int8 is computed in this.
        file: the network, below the directory of exported files; empty: the ONNX file.
        options: further options of ``compile_model``.
    """

    hint: str
    file: str = ""
    options: dict[str, Any] = field(default_factory=dict)


#: By precision and by what a set-up calls the way.
WAYS: dict[tuple[str, str], Way] = {
    ("float32", ""): Way("f32"),
    ("bf16", ""): Way("bf16"),
    ("int8", "calibrated"): Way("f32", CALIBRATED),
    ("int8", "calibrated, rest bf16"): Way("bf16", CALIBRATED),
    # Layers take 512 and 2048 values a row. Groups that are no divisor of that turn the
    # conversion off, smaller ones cost more.
    ("int8", "weights"): Way("f32", WEIGHTS, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 512}),
}


def _keep_sums(model: Any) -> None:
    """Make OpenVINO keep the predictor's sums over frames in float32, at no cost in time.

    By default the hint for bfloat16 reaches these too, and their 8 bits are too few: four of five
    tokens of the full-size model change, and words of the demo. It leaves alone what leads to an
    output of the network.
    """
    for operation in model.get_ops():
        # The only branch of FunASR's export, for audio without a token, ends the predictor.
        if operation.get_type_name() == "If":
            model.add_outputs([operation.output(0)])
            return


class OpenVino:
    """One compiled network with as many streams as there are cores for their threads.

    A call takes an inference request that no other call has now. Those beyond the number of
    streams wait inside OpenVINO, where the next stream that is free takes them up.
    """

    def __init__(self, files: Files, setup: Setup) -> None:
        import openvino as ov

        self.notes: list[str] = []
        core = ov.Core()
        way = WAYS[setup.precision, setup.way]
        path = files.exported / way.file if way.file else model_file(files.exported, "float32")
        if not path.is_file():
            raise UnavailableError(f"no {path.name}: it takes the package nncf to make it")
        if way.hint == "bf16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise UnavailableError("OpenVINO has no bfloat16 on this processor")
        model = core.read_model(str(path))
        if way.hint == "bf16":
            _keep_sums(model)
        cores = len(os.sched_getaffinity(0))
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT" if setup.threads < cores else "LATENCY",
            "INFERENCE_PRECISION_HINT": way.hint,
            "INFERENCE_NUM_THREADS": cores,
            "NUM_STREAMS": max(1, cores // setup.threads),
            **way.options,
        }
        self._compiled = core.compile_model(model, "CPU", options)
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._around = Exported(files)

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        given = self._around.inputs(audio)
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            answer = request.infer(given, share_inputs=True, share_outputs=True)
            return self._around.texts(answer[0], answer[1])
        finally:
            self._idle.put(request)

    def stats(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        del self._idle, self._compiled
