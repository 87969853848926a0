"""The systems that are compared, and the set-ups each of them is tried in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PRECISIONS = ("float32", "bf16", "int8")


@dataclass(frozen=True)
class Setup:
    """A library, loaded and called in a certain way.

    Attributes:
        library: "safeasr", "funasr", "funasr_onnx", "onnxruntime", "sherpa_onnx" or "openvino".
        precision: "float32", "bf16" or "int8".
        threads: threads within an operator.
        slots: calls that run at the same time; 0: callers call the library themselves.
        batch: utterances in a call at most.
        locked: callers call the library themselves, one at a time.
        processes: the calls go to that many processes with a model each; 0: this process.
        way: how the library is to compute, if it has several ways at a precision.
    """

    library: str
    precision: str = "float32"
    threads: int = 1
    slots: int = 0
    batch: int = 1
    locked: bool = False
    processes: int = 0
    way: str = ""

    @property
    def loaded(self) -> Setup:
        """What decides how the model is loaded; the rest only says how it is called."""
        return Setup(
            self.library, self.precision, self.threads, processes=self.processes, way=self.way
        )

    def describe(self) -> str:
        """In words, for tables."""
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        if self.locked:
            return f"lock, {threads}"
        if self.processes:
            return f"{self.processes} processes, {threads} each"
        if not self.slots:
            return "as it is" if self.threads == 1 else f"{threads} a batch"
        calls = f"{self.slots} call" + ("s" if self.slots > 1 else "")
        way = f", {self.way}" if self.way else ""
        return f"{calls} x {threads}, batch {self.batch}{way}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Group:
    """One line of the comparison.

    Attributes:
        name: of the line.
        candidates: set-ups for many callers; the fastest one is compared. The first is used if
            there is no tuning.
        alone: set-ups for a single caller, of which the one with the fastest answer counts; empty:
            the same library is in another line already.
    """

    name: str
    candidates: tuple[Setup, ...]
    alone: tuple[Setup, ...] = ()

    @property
    def tried(self) -> tuple[Setup, ...]:
        """All set-ups."""
        return (*self.candidates, *self.alone)

    @property
    def library(self) -> str:
        """The library of all candidates."""
        return self.candidates[0].library

    @property
    def precision(self) -> str:
        """The precision of all candidates."""
        return self.candidates[0].precision


NAMES = {
    "safeasr": "safeasr",
    "funasr": "FunASR",
    "funasr_onnx": "funasr_onnx",
    "onnxruntime": "ONNX Runtime bare",
    "sherpa_onnx": "sherpa-onnx",
    "openvino": "OpenVINO",
}


def _name(library: str, precision: str) -> str:
    return NAMES[library] + ("" if precision == "float32" else f", {precision}")


def _onnx(library: str, precision: str, cores: int, batches: tuple[int, ...]) -> Group:
    ways = [Setup(library, precision, 1, cores, batch) for batch in batches]
    ways += [Setup(library, precision, cores, 1, batch) for batch in batches]
    alone = tuple(Setup(library, precision, threads, 1) for threads in dict.fromkeys((1, cores)))
    return Group(_name(library, precision), tuple(dict.fromkeys(ways)), alone)


#: Ways of OpenVINO by precision, see ``adapters_openvino``; the fastest of earlier runs first.
OPENVINO = {
    "float32": ("",),
    "bf16": ("",),
    "int8": ("calibrated", "calibrated, rest bf16", "weights"),
}


def _openvino(precision: str, cores: int) -> Group:
    setups = tuple(
        Setup("openvino", precision, threads, slots, batch, way=way)
        for way in OPENVINO[precision]
        # Twice as many calls as streams: while one is in Python, its stream has work.
        for threads, slots, batch in (
            (1, cores, 1),
            (1, 2 * cores, 1),
            (1, cores, 4),
            (cores, 1, 1),
        )
    )
    alone = tuple(
        Setup("openvino", precision, threads, 1, way=way)
        for way in OPENVINO[precision]
        for threads in dict.fromkeys((1, cores))
    )
    return Group(_name("openvino", precision), tuple(dict.fromkeys(setups)), alone)


def _safeasr(precision: str, cores: int) -> Group:
    # For many callers safeasr is measured with its defaults and with nothing else.
    default = Setup("safeasr", precision)
    alone = tuple(Setup("safeasr", precision, threads) for threads in dict.fromkeys((1, cores)))
    return Group(_name("safeasr", precision), (default,), alone)


def groups(cores: int) -> list[Group]:
    """All lines of the comparison on a machine with that many cores."""
    funasr = tuple(
        Setup("funasr", threads=threads, slots=1) for threads in dict.fromkeys((1, cores))
    )
    return [
        *(_safeasr(precision, cores) for precision in PRECISIONS),
        Group(
            "FunASR, threads",
            (
                Setup("funasr", threads=1, slots=cores),
                Setup("funasr", threads=cores, slots=2 * cores),
                Setup("funasr", threads=cores, slots=1),
            ),
            funasr,
        ),
        Group("FunASR, lock", (Setup("funasr", threads=cores, locked=True),)),
        Group("FunASR, processes", (Setup("funasr", slots=cores, processes=cores),)),
        Group(
            "FunASR, lists",
            (
                Setup("funasr", threads=1, slots=cores, batch=8),
                Setup("funasr", threads=cores, slots=1, batch=8),
                Setup("funasr", threads=1, slots=cores, batch=4),
            ),
        ),
        *(_onnx("funasr_onnx", precision, cores, (1, 8)) for precision in ("float32", "int8")),
        *(_onnx("onnxruntime", precision, cores, (1, 4, 8)) for precision in ("float32", "int8")),
        *(_onnx("sherpa_onnx", precision, cores, (1, 8)) for precision in ("float32", "int8")),
        *(_openvino(precision, cores) for precision in PRECISIONS),
    ]
