"""AutoModel: FunASR's interface, on safeasr's engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from safeasr.answering import Answering
from safeasr.errors import OptionError, UnsupportedModelError
from safeasr.part import Part

__all__ = ["AutoModel"]


class AutoModel(Answering):
    """A speech recogniser that any number of threads may use at once.

    The interface is FunASR's; results are equal to FunASR's for the same weights and input. What
    FunASR has no word for is added: :meth:`submit`, :meth:`agenerate`, :meth:`stats`,
    :meth:`close`.

    Attributes:
        model_path: directory of the model.
        kwargs: the arguments it was made with (a copy; changing it changes nothing).
        precision: of the linear layers: "float32", "bfloat16", "int8" or "float16".
        closed: whether the model was closed.
    """

    def __init__(
        self,
        model: str = "demo",
        *,
        device: str | None = None,
        num_workers: int | None = None,
        max_batch_size: int | None = None,
        max_batch_frames: int | None = None,
        max_wait_ms: float = 0.0,
        queue_size: int | None = None,
        max_streams: int = 16_384,
        timeout: float | None = None,
        slow_request_s: float | None = None,
        intra_op_threads: int | None = None,
        cuda_graphs: bool = False,
        online_model: str | None = None,
        vad_model: str | None = None,
        vad_kwargs: Mapping[str, Any] | None = None,
        punc_model: str | None = None,
        punc_kwargs: Mapping[str, Any] | None = None,
        spk_model: str | None = None,
        spk_kwargs: Mapping[str, Any] | None = None,
        guarded: bool | None = None,
        isolation: str | None = None,
        workers: int | None = None,
        max_memory: int | None = None,
        max_calls: int | None = None,
        allow_urls: bool | str | Sequence[str] = True,
        allow_paths: bool = True,
        **kwargs: Any,
    ) -> None:
        """Load a model; export it first if that was not done before.

        Args:
            model: "demo" (comes with the package), a FunASR model directory, a bundle, or a name
                on FunASR's hubs (needs funasr and the network once).
            device: "cpu", "cuda", "cuda:0", or several, "cuda:0,cuda:1": each has a copy of the
                weights, and a request goes to the one with least to do. Default: CUDA if there is
                any. Where it is missing, the CPU is used with a warning.
            num_workers: threads that run batches, for each device; default: ``ncpu`` if given, else
                all cores that the process may use (its affinity and its containers' CPU quotas
                count), divided by ``intra_op_threads``; on CUDA 4 at most.
            max_batch_size: utterances in one batch at most; default: 16, on CUDA 128.
            max_batch_frames: limit of the encoder frames (60 ms) in a batch; default: 320, on CUDA
                40,000.
            max_wait_ms: how long an utterance may wait for company though a worker is free, in ms.
            queue_size: requests that may wait, for each device; more callers wait or get
                QueueFullError. Default: 1024, on CUDA 8192. Live streams bypass this queue; of
                recordings that are taken in segments, as many may be under way.
            max_streams: live streams that may be open at a time, for each device; more get
                QueueFullError. One of two passes counts as two.
            timeout: default time limit of a call, in seconds.
            slow_request_s: log a warning for each request that takes longer, in seconds; default:
                the environment's SAFEASR_SLOW_S, or none. See docs/observability.md.
            intra_op_threads: cores that one batch uses on the CPU. Default: one, and while the
                other workers have nothing to do, theirs too (up to 4), so that one caller alone
                is served by the whole of a small machine.
            cuda_graphs: record the steps of live streams, a graph for each size of batch that keeps
                coming, and replay them where that turns out faster than launching kernel by
                kernel. CUDA only, and of builds that found CUDA's headers.
            online_model: streaming model beside this one, for the first pass of ``stream``.
            vad_model: voice activity detector beside this one: ``generate`` then takes recordings
                of any length, segment by segment, and ``stream`` has ``mode="2pass"``.
            vad_kwargs: its options, as in FunASR; keys of its config.yaml, too.
            punc_model: punctuation model behind this one: texts have marks; with ``vad_model``,
                ``sentence_timestamp=True`` gives ``sentence_info``. In ``stream`` one for live
                texts remembers what came before, and marks ``segment_text``, too.
            punc_kwargs: its options, as in FunASR; keys of its config.yaml, too.
            spk_model: model for speaker embeddings beside this one: with ``vad_model``, results
                have ``sentence_info`` with a speaker's number for each sentence (``spk``), or,
                without ``punc_model``, for each of the detector's segments.
            spk_kwargs: its options, as in FunASR (``cb_kwargs``); keys of its config.yaml, too.
            guarded: a model of a class that safeasr has no network for is run by FunASR's own code,
                one call at a time, if funasr is installed (docs/guarded.md). False: it is refused;
                True: so is run whatever the model is.
            isolation: where that code runs: "thread" (the default), in a thread of this process, or
                "process", in processes of its own, whose crash costs one call.
            workers: how many processes have the model, each; default: 1.
            max_memory: resident bytes beyond which such a process is replaced by another.
            max_calls: calls after which it is.
            allow_urls: which URLs inputs may name. False: none; "public": only hosts on the public
                internet; a list: these hosts only, ".example.com" for all below it. No option of a
                call changes it.
            allow_paths: whether inputs and options of calls may name files. False: audio comes as
                arrays, bytes and open files only.
            **kwargs: FunASR's arguments (hub, model_revision, ncpu, disable_pbar,
                trust_remote_code, init_param, ...), defaults of its calls' options, and keys of the
                model's config.yaml.
                ``bf16=True``, ``quantize=True`` (8 bit integers, on processors) and ``fp16=True``
                (on accelerators) reduce the precision of linear layers, where there are
                instructions for it.

        Raises:
            UnsupportedModelError: if the model's class or an option is not supported, or it would
                run guarded and funasr is missing.
            OptionError: if an argument has a value that it cannot have; before anything is loaded.
            ExportError: if the model cannot be found, downloaded or exported.
            CorruptBundleError: if a bundle is damaged.
        """
        super().__init__(
            model,
            kwargs,
            beside={
                "online_model": online_model,
                "vad_model": vad_model,
                "punc_model": punc_model,
                "spk_model": spk_model,
            },
            kwargs_of={
                "vad_kwargs": vad_kwargs or {},
                "punc_kwargs": punc_kwargs or {},
                "spk_kwargs": spk_kwargs or {},
            },
            max_streams=max_streams,
            guard={
                "guarded": guarded,
                "isolation": isolation,
                "workers": workers,
                "max_memory": max_memory,
                "max_calls": max_calls,
            },
            device=device,
            num_workers=num_workers,
            intra_op_threads=intra_op_threads,
            max_batch_size=max_batch_size,
            max_batch_frames=max_batch_frames,
            max_wait_ms=max_wait_ms,
            queue_size=queue_size,
            timeout=timeout,
            slow_request_s=slow_request_s,
            cuda_graphs=cuda_graphs,
            allow_urls=allow_urls,
            allow_paths=allow_paths,
        )

    # -- Names of FunASR's ------------------------------------------------------------------------

    @property
    def model(self) -> Part:
        """The model alone, without those beside it."""
        return Part(self, *self._parts["model"])

    @property
    def vad_model(self) -> Part | None:
        """The detector, if one was named."""
        return self._beside("vad_model")

    @property
    def punc_model(self) -> Part | None:
        """The punctuation model, if one was named."""
        return self._beside("punc_model")

    @property
    def spk_model(self) -> Part | None:
        """The model for speaker embeddings, if one was named."""
        return self._beside("spk_model")

    def _beside(self, role: str) -> Part | None:
        return Part(self, *self._parts[role]) if role in self._parts else None

    @property
    def vad_kwargs(self) -> dict[str, Any]:
        """The detector's own options (a copy)."""
        return dict(self._role_kwargs["vad_model"])

    @property
    def punc_kwargs(self) -> dict[str, Any]:
        """The punctuation model's own options (a copy)."""
        return dict(self._role_kwargs["punc_model"])

    @property
    def spk_kwargs(self) -> dict[str, Any]:
        """The speaker model's own options (a copy)."""
        return dict(self._role_kwargs["spk_model"])

    def inference(
        self,
        input: Any,
        input_len: Any = None,
        model: Part | None = None,
        kwargs: Mapping[str, Any] | None = None,
        key: Any = None,
        progress_callback: Callable[[int, int], object] | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """One model alone, whatever stands beside it.

        Args:
            input: as of :meth:`generate`.
            input_len: as of :meth:`generate`.
            model: :attr:`model` (the default), :attr:`vad_model` and so on.
            kwargs: its options; ``options`` go before them.
            key: name or names of the input.
            progress_callback: as of :meth:`generate`.
            **options: as of :meth:`generate`.

        Raises:
            OptionError: if ``model`` is no part of an AutoModel. Otherwise as of :meth:`generate`.
        """
        part = self.model if model is None else model
        if not isinstance(part, Part):
            raise OptionError(
                "model must be a part of an AutoModel (model.vad_model, ...), got "
                f"{type(part).__name__}"
            )
        named = {} if key is None else {"key": key}
        given = {**part.options_among(kwargs or {}), **options, **named}
        return part.generate(input, input_len, progress_callback, **given)

    def inference_with_vad(
        self, input: Any, input_len: Any = None, **options: Any
    ) -> list[dict[str, Any]]:
        """:meth:`generate` of a model with ``vad_model``.

        Raises:
            UnsupportedModelError: if it has none.
        """
        if self.vad_model is None:
            raise UnsupportedModelError("inference_with_vad needs a vad_model")
        return self.generate(input, input_len, **options)

    def __call__(self, input: Any, input_len: Any = None, **options: Any) -> list[dict[str, Any]]:
        """:meth:`generate`. FunASR's calls the network with tensors."""
        return self.generate(input, input_len, **options)

    @staticmethod
    def build_model(**kwargs: Any) -> tuple[Part, dict[str, Any]]:
        """A model and its arguments.

        Args:
            **kwargs: of the constructor.

        Returns:
            What :meth:`inference` takes as ``model`` and ``kwargs``. It lives on an engine of its
            own, which ends with it.
        """
        made = AutoModel(**kwargs)
        return made.model, made.kwargs
