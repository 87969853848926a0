"""Types of the C++ extension (csrc/bindings)."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

class _Pybind11Type(type): ...

# Classes whose constructor takes NoReturn are made by functions only.

class Frontend(metaclass=_Pybind11Type):
    def __init__(
        self,
        *,
        sample_rate: int = ...,
        n_mels: int = ...,
        frame_length_ms: float = ...,
        frame_shift_ms: float = ...,
        lfr_m: int = ...,
        lfr_n: int = ...,
        window: str = ...,
        snip_edges: bool = ...,
        upscale_samples: bool = ...,
        dither: float = ...,
        cmvn_shift: list[float] = ...,
        cmvn_scale: list[float] = ...,
    ) -> None: ...
    def compute(
        self, waves: list[NDArray[np.float32]], *, portable: bool = ..., dither_seed: int = ...
    ) -> tuple[NDArray[np.float32], list[int]]: ...
    def num_frames(self, samples: int) -> int: ...
    @property
    def feature_size(self) -> int: ...

class OnlineFrontendState(metaclass=_Pybind11Type):
    def __init__(self) -> None: ...
    def copy(self) -> OnlineFrontendState: ...

class OnlineFrontend(metaclass=_Pybind11Type):
    def __init__(
        self,
        *,
        sample_rate: int = ...,
        n_mels: int = ...,
        frame_length_ms: float = ...,
        frame_shift_ms: float = ...,
        lfr_m: int = ...,
        lfr_n: int = ...,
        window: str = ...,
        snip_edges: bool = ...,
        upscale_samples: bool = ...,
        dither: float = ...,
        cmvn_shift: list[float] = ...,
        cmvn_scale: list[float] = ...,
    ) -> None: ...
    def accept(
        self,
        state: OnlineFrontendState,
        samples: NDArray[np.float32],
        is_final: bool = ...,
        *,
        keep_wave: bool = ...,
    ) -> Any: ...
    @property
    def feature_size(self) -> int: ...

class BatchLimits(metaclass=_Pybind11Type):
    def __init__(
        self,
        *,
        max_requests: int = ...,
        max_cost: int = ...,
        max_padding: float = ...,
        max_wait_ms: float = ...,
        share: bool = ...,
        live_priority: int = ...,
        ragged: bool = ...,
        followed_within_ms: float = ...,
    ) -> None: ...
    @property
    def ragged(self) -> bool: ...
    @property
    def live_priority(self) -> int: ...
    @property
    def max_requests(self) -> int: ...
    @property
    def max_cost(self) -> int: ...
    @property
    def max_padding(self) -> float: ...
    @property
    def share(self) -> bool: ...

def cpu_supports(precision: str) -> bool: ...
def graphs_supported(device: str) -> bool: ...

class Program(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    @staticmethod
    def load(path: str, device: str = ..., pack_weights: bool = ...) -> Program: ...
    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]: ...

class Runner(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    @property
    def id(self) -> int: ...
    def stats(self) -> dict[str, Any]: ...

class TensorRunner(Runner):
    def __init__(self, program: Program, limits: BatchLimits = ...) -> None: ...

class ParaformerRunner(Runner):
    def __init__(
        self,
        *,
        frontend: Frontend,
        encoder: Program,
        decoder: Program,
        tail_threshold: float,
        cif_left: int,
        cif_right: int,
        token_by_token: bool = ...,
        upsampled: int = ...,
        limits: BatchLimits = ...,
    ) -> None: ...
    def submit(
        self,
        engine: Engine,
        data: NDArray[np.float32],
        *,
        want_alignment: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...

class HotwordList(metaclass=_Pybind11Type):
    def __init__(self, words: list[list[int]]) -> None: ...
    def __len__(self) -> int: ...
    @property
    def encoded(self) -> bool: ...

class KeywordSearch(metaclass=_Pybind11Type):
    def __init__(self, keywords: list[list[int]], names: list[bytes] = ...) -> None: ...
    def __len__(self) -> int: ...
    def find(
        self, probabilities: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> tuple[int, float] | None: ...

class KeywordStreamRunner(Runner):
    def __init__(
        self,
        *,
        frontend: OnlineFrontend,
        program: Program,
        limits: BatchLimits,
        layers: int,
        size: int,
        candidates: int,
        narrow: bool = ...,
        half: bool = ...,
    ) -> None: ...
    def open(
        self,
        engine: Engine,
        *,
        chunk_size: tuple[int, int, int],
        look_back: int,
        keywords: KeywordSearch,
        max_waiting: int = ...,
    ) -> KeywordStream: ...
    def submit(
        self,
        engine: Engine,
        samples: NDArray[np.float32],
        *,
        chunk_size: tuple[int, int, int],
        look_back: int,
        keywords: KeywordSearch,
        is_final: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...

class KeywordStream(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    def submit(
        self, samples: NDArray[np.float32], *, is_final: bool = ..., terms: Terms = ...
    ) -> Ticket: ...
    @property
    def waiting(self) -> int: ...

class SeacoRunner(Runner):
    def __init__(
        self,
        *,
        frontend: Frontend,
        encoder: Program,
        decoder: Program,
        bias_encoder: Program,
        bias_decoder: Program,
        tail_threshold: float,
        cif_left: int,
        cif_right: int,
        token_by_token: bool,
        upsampled: int,
        most_words: int,
        limits: BatchLimits = ...,
    ) -> None: ...
    def submit(
        self,
        engine: Engine,
        data: NDArray[np.float32],
        *,
        hotwords: HotwordList | None = ...,
        terms: Terms = ...,
    ) -> Ticket: ...

class ContextualRunner(Runner):
    def __init__(
        self,
        *,
        frontend: Frontend,
        encoder: Program,
        decoder: Program,
        bias_encoder: Program,
        tail_threshold: float,
        cif_left: int,
        cif_right: int,
        limits: BatchLimits = ...,
    ) -> None: ...
    def submit(
        self,
        engine: Engine,
        data: NDArray[np.float32],
        *,
        hotwords: HotwordList,
        bias_scale: float = ...,
        terms: Terms = ...,
    ) -> Ticket: ...

class RaggedRunner(Runner):
    def __init__(
        self,
        *,
        program: Program,
        outputs: list[str],
        frontend: Frontend | None = ...,
        feature_size: int | None = ...,
        neighbours: tuple[int, int] | None = ...,
        limits: BatchLimits = ...,
    ) -> None: ...
    def submit(
        self,
        engine: Engine,
        data: NDArray[Any],
        *,
        terms: Terms = ...,
    ) -> Ticket: ...

class CtcEmission(metaclass=_Pybind11Type):
    def __init__(self, log_probs: NDArray[np.float32], *, blank: int = ...) -> None: ...
    def align(self, targets: list[int]) -> list[tuple[int, int]]: ...
    @property
    def frames(self) -> int: ...

class SenseVoiceRunner(Runner):
    def __init__(
        self, *, frontend: Frontend, program: Program, blank: int, limits: BatchLimits = ...
    ) -> None: ...
    def submit(
        self,
        engine: Engine,
        data: NDArray[np.float32],
        *,
        queries: list[int],
        ban_unknown_emotion: bool = ...,
        want_alignment: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...

class EncoderShape(metaclass=_Pybind11Type):
    def __init__(
        self, *, layers: list[tuple[int, int]] = ..., positions: str = ..., table: int = ...
    ) -> None: ...
    def rows_after(self, rows: int) -> int: ...

class CtcRunner(Runner):
    def __init__(
        self,
        *,
        frontend: Frontend,
        program: Program,
        shape: EncoderShape,
        blank: int,
        limits: BatchLimits = ...,
    ) -> None: ...
    def submit(
        self, engine: Engine, data: NDArray[np.float32], *, terms: Terms = ...
    ) -> Ticket: ...

class CtcAttentionRunner(Runner):
    def __init__(
        self,
        *,
        frontend: Frontend,
        encoder: Program,
        decoder: Program | None,
        shape: EncoderShape,
        sos: int,
        eos: int,
        vocab_size: int,
        choose_first: bool,
        filters: tuple[int, int, int] = ...,
        limits: BatchLimits = ...,
    ) -> None: ...
    def submit(
        self,
        engine: Engine,
        data: NDArray[np.float32],
        *,
        ctc_weight: float,
        token_bonus: float,
        beam_size: int,
        max_length_ratio: float,
        best: int,
        terms: Terms = ...,
    ) -> Ticket: ...

class VadOptions(metaclass=_Pybind11Type):
    def __init__(self, **options: Any) -> None: ...

class VadModel(metaclass=_Pybind11Type):
    def __init__(
        self, *, frontend: OnlineFrontend, scorer: Program, cache_shape: list[int]
    ) -> None: ...

class VadRunner(Runner):
    def __init__(self, model: VadModel, limits: BatchLimits = ...) -> None: ...
    def open(self, engine: Engine, options: VadOptions, *, max_waiting: int = ...) -> VadStream: ...
    def submit(
        self,
        engine: Engine,
        samples: NDArray[np.float32],
        options: VadOptions,
        *,
        is_final: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...
    def recording(self, options: VadOptions) -> VadRecording: ...

class VadStream(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    def submit(
        self,
        samples: NDArray[np.float32],
        *,
        is_final: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...
    @property
    def waiting(self) -> int: ...

class VadRecording(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    def submit(
        self,
        engine: Engine,
        samples: NDArray[np.float32],
        *,
        is_final: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...
    @property
    def needed_from(self) -> int: ...

class ParaformerStreamRunner(Runner):
    def __init__(
        self,
        *,
        frontend: OnlineFrontend,
        encoder: Program,
        decoder: Program,
        limits: BatchLimits,
        encoder_layers: int,
        encoder_size: int,
        decoder_layers: int,
        decoder_kernel: int,
        cif_left: int,
        cif_right: int,
        tail_threshold: float,
        feature_scale: float,
        narrow: bool = ...,
        half: bool = ...,
    ) -> None: ...
    def use_graphs(self) -> None: ...
    def graph_counts(self) -> dict[str, int]: ...
    def open(
        self,
        engine: Engine,
        *,
        chunk_size: tuple[int, int, int],
        encoder_look_back: int,
        decoder_look_back: int,
        max_waiting: int = ...,
    ) -> ParaformerStream: ...
    def submit(
        self,
        engine: Engine,
        samples: NDArray[np.float32],
        *,
        chunk_size: tuple[int, int, int],
        encoder_look_back: int,
        decoder_look_back: int,
        is_final: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...

class ParaformerStream(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    def submit(
        self,
        samples: NDArray[np.float32],
        *,
        is_final: bool = ...,
        terms: Terms = ...,
    ) -> Ticket: ...
    @property
    def waiting(self) -> int: ...

class CompletionQueue(metaclass=_Pybind11Type):
    def __init__(self) -> None: ...
    def get(self) -> int | None: ...
    def close(self) -> None: ...

class Ticket(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    def wait(self, timeout_s: float | None = ...) -> bool: ...
    def finished(self) -> bool: ...
    def cancel(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def finished_s(self) -> float | None: ...
    def get(self) -> Any: ...
    def announce(self, queue: CompletionQueue, token: int) -> None: ...

class Promise(Ticket):
    def __init__(self) -> None: ...
    def start(self) -> bool: ...
    def finish(self, failed: str | None = ...) -> bool: ...

class Meter(metaclass=_Pybind11Type):
    def __init__(self) -> None: ...
    def reading(self) -> tuple[int, float, float, float, float, float] | None: ...

class CallCounters(metaclass=_Pybind11Type):
    def __init__(self) -> None: ...
    def read(self, decode_s: float, audio_s: float) -> None: ...
    def told(self, text_s: float, audio_s: float) -> None: ...
    def begin(self, chunk: bool) -> None: ...
    def end(self, chunk: bool, outcome: int, taken_s: float) -> None: ...
    def turn(self, seconds: float, audio_s: float) -> None: ...
    def answer(self, audio_s: float) -> None: ...
    def error(self, name: str) -> None: ...
    def stats(self) -> dict[str, Any]: ...

class CallRecord(metaclass=_Pybind11Type):
    def __init__(self, counters: CallCounters, began_s: float) -> None: ...
    def follow(self, tickets: list[Ticket], errors_are_results: bool = ...) -> None: ...
    def settle(self, tickets: list[Ticket]) -> None: ...

class OpenStream(metaclass=_Pybind11Type):
    def __init__(self, counters: CallCounters) -> None: ...

def thread_id() -> int: ...

class Terms(metaclass=_Pybind11Type):
    def __init__(
        self,
        *,
        deadline_s: float | None = ...,
        wait_s: float | None = ...,
        direct: bool = ...,
        live: bool = ...,
        meter: Meter | None = ...,
    ) -> None: ...

class Engine(metaclass=_Pybind11Type):
    def __init__(
        self,
        *,
        num_workers: int,
        queue_size: int,
        max_streams: int = ...,
        device: str = ...,
        intra_op_threads: int = ...,
        idle_threads: int = ...,
    ) -> None: ...
    def submit_tensor(
        self,
        runner: TensorRunner,
        values: NDArray[np.float32],
        *,
        terms: Terms = ...,
    ) -> Ticket: ...
    def close(self, drain: bool = ...) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def forked(self) -> bool: ...
    def stats(self) -> dict[str, Any]: ...

# For tests and benchmarks.
def force_tensor_op_path(force: bool) -> None: ...
def watch_layers(sleep_ms: int = ...) -> None: ...
def watched_layers() -> tuple[int, int]: ...
def set_intra_op_threads(threads: int) -> None: ...
def keep_slower_graphs(keep: bool) -> None: ...

class Slot(metaclass=_Pybind11Type):
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    @property
    def first(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def slab(self) -> int: ...
    def fill(self, value: float) -> None: ...
    def total(self) -> float: ...
    def copy(self) -> Slot: ...

class SlabPool(metaclass=_Pybind11Type):
    def __init__(self, front: list[int], size: int, first_slots: int) -> None: ...
    def take(self, capacity: int, device: str = ...) -> Slot: ...
    def usage(self) -> tuple[int, int, int]: ...
