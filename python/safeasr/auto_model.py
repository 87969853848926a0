"""AutoModel: FunASR's interface, on safeasr's engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safeasr.assembled import Assembled
from safeasr.calls.awaiting import start_and_wait
from safeasr.calls.future import Future
from safeasr.deadlines import seconds_left
from safeasr.errors import EngineClosedError
from safeasr.loading.export import export_bundle
from safeasr.options.call import CallOptions
from safeasr.stream.stream import Stream

__all__ = ["AutoModel"]


class AutoModel(Assembled):
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
        intra_op_threads: int | None = None,
        cuda_graphs: bool = False,
        online_model: str | None = None,
        vad_model: str | None = None,
        vad_kwargs: Mapping[str, Any] | None = None,
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
            **kwargs: FunASR's arguments (hub, model_revision, ncpu, disable_pbar,
                trust_remote_code, init_param, ...) and keys of the model's config.yaml.
                ``bf16=True``, ``quantize=True`` (8 bit integers, on processors) and ``fp16=True``
                (on accelerators) reduce the precision of linear layers, where there are
                instructions for it.

        Raises:
            UnsupportedModelError: if the model's class or an option is not supported.
            ExportError: if the model cannot be found, downloaded or exported.
            CorruptBundleError: if a bundle is damaged.
        """
        super().__init__(
            model,
            kwargs,
            beside={"online_model": online_model, "vad_model": vad_model},
            vad_kwargs=vad_kwargs or {},
            max_streams=max_streams,
            device=device,
            num_workers=num_workers,
            intra_op_threads=intra_op_threads,
            max_batch_size=max_batch_size,
            max_batch_frames=max_batch_frames,
            max_wait_ms=max_wait_ms,
            queue_size=queue_size,
            timeout=timeout,
            cuda_graphs=cuda_graphs,
        )

    # -- FunASR's methods -------------------------------------------------------------------------

    def generate(
        self,
        input: Any,
        input_len: Any = None,
        progress_callback: Callable[[int, int], object] | None = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """Recognise speech; blocks until done. Call it from as many threads as you like.

        Args:
            input: path, URL, list file (.scp, .txt, .json, .jsonl), float32 or int16 array, tensor,
                bytes, file object, or a list of these; for a punctuation model text, a list file
                of texts, or a list of texts.
            input_len: lengths of features given with ``data_type="fbank"``.
            progress_callback: called as ``fn(done, total)`` after each utterance, in order.
            timeout: time limit of this call in seconds, reading the audio included; default: the
                model's.
            **options: FunASR's options of ``generate``. They hold for this call alone.

        Returns:
            One dict for each utterance, in the order of the input: ``key``, ``text``, and
            ``timestamp`` if asked for; of a voice activity detector ``key`` and ``value``, its
            segments ``[[start_ms, end_ms], ...]``; of a punctuation model ``key``, ``text`` and
            ``punc_array``, the numbers of the marks, a tensor (words,) int64.

        Raises:
            InputError: if an input is not what the model takes.
            AudioError: if an input cannot be read as audio.
            QueueFullError: if there was no room in the queue within the timeout.
            DeadlineExceededError: if the timeout passed.
            EngineClosedError: if the model is closed.
            InferenceError: if the network failed on an input.
        """
        call = self._calls.begin(input, input_len, self._calls.check(options), timeout)
        return call.run(progress_callback)

    def export(self, output_dir: str | None = None, precision: str | None = None, **_: Any) -> str:
        """Write the model's bundle to a directory of your own.

        Args:
            output_dir: an empty or new directory; default: ``<model directory>/safeasr_bundle``.
            precision: "float32", "bfloat16", "int8" or "float16"; default: what the model runs
                in.

        Returns:
            The directory.

        Raises:
            ExportError: if the directory is not empty, or the model cannot have the precision.
        """
        out = Path(output_dir) if output_dir else self._directory / "safeasr_bundle"
        bundle = export_bundle(
            self._directory,
            out,
            self._options.overrides,
            trust_remote_code=self._trust,
            precision=precision or self.precision,
        )
        return str(bundle.path)

    # -- What FunASR does not have ----------------------------------------------------------------

    def submit(
        self,
        input: Any,
        input_len: Any = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> Future[list[dict[str, Any]]]:
        """Queue input and return at once with a future of what ``generate`` would return.

        Audio is decoded by the caller, before this returns. If the queue is full, it waits for room
        until the timeout; ``timeout=0`` does not wait.

        Args:
            input: as in :meth:`generate`.
            input_len: as in :meth:`generate`.
            timeout: seconds from now after which the request is not started any more, nor gone on
                with (it then fails with DeadlineExceededError); 0: no such limit, but do not wait
                for room.
            **options: as in :meth:`generate`.

        Raises:
            AudioError: if an input cannot be read as audio.
            QueueFullError: if there was no room in the queue.
            EngineClosedError: if the model is closed.
        """
        return self._start(input, input_len, timeout, self._calls.check(options))

    def _start(
        self, input: Any, input_len: Any, timeout: float | None, options: CallOptions
    ) -> Future[list[dict[str, Any]]]:
        no_waiting = timeout == 0
        call = self._calls.begin(input, input_len, options, timeout, unlimited=no_waiting)
        return call.start(no_waiting=no_waiting)

    async def agenerate(
        self, input: Any, input_len: Any = None, *, timeout: float | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """:meth:`generate` for asyncio: decoding and waiting do not block the event loop.

        Cancelling the task cancels the future, see :meth:`Future.cancel
        <safeasr.calls.future.Future.cancel>`.
        """
        deadline, checked = self._calls.deadline(timeout), self._calls.check(options)

        def start() -> Future[list[dict[str, Any]]]:
            return self._start(input, input_len, seconds_left(deadline), checked)

        return await start_and_wait(start, deadline)

    def stream(
        self,
        *,
        mode: str | None = None,
        key: str | None = None,
        fs: int = 16000,
        timeout: float | None = None,
        max_pending: int = 256,
        vad_chunk_size: float | None = None,
        **options: Any,
    ) -> Stream:
        """Open a live stream. Any number may be open; their chunks run in common batches.

        A streaming model gives a stream of FunASR's result dicts, one for each chunk; so does a
        voice activity detector. An offline model with ``online_model`` and ``vad_model`` beside it
        gives a stream of lists of events, dicts like those of FunASR's websocket service:

        - while somebody speaks: ``mode`` "2pass-online", ``text`` what this chunk added,
          ``segment_text`` the segment's text so far, ``start`` in ms, ``is_final`` False;
        - when a segment ends: ``mode`` "2pass-offline", ``text`` the offline model's, ``start``
          and ``end`` in ms, ``timestamp`` if asked for (``pred_timestamp=True``), in ms of the
          stream, ``is_final`` True.

        Args:
            mode: "2pass"; "online": no second pass; "offline": no first pass. Default: what the
                models allow.
            key: name of the stream in results; default: a random one.
            fs: rate in Hz of the samples that will be fed.
            timeout: default time limit of a call in seconds; None: the model's.
            max_pending: chunks that may wait in the stream.
            vad_chunk_size: steps of the detector beside an offline model, in ms; default 200.
            **options: FunASR's options of ``generate`` for these models: ``chunk_size`` (default
                [0, 10, 5], of a detector 200), ``encoder_chunk_look_back`` (default here 4),
                ``decoder_chunk_look_back`` (default here 1), ``max_end_silence_time`` and so on.
                They hold for this stream alone.

        Raises:
            UnsupportedModelError: if a model that the mode needs is missing.
            ValueError: if an option makes no sense.
            EngineClosedError: if the model is closed.
        """
        if self.closed:
            raise EngineClosedError("the model is closed")
        return self._streams.open(
            options,
            {**self._options.call_defaults, **self._vad_kwargs},
            mode=mode,
            key=key,
            vad_chunk_size=vad_chunk_size,
            fs=fs,
            timeout=self._options.timeout if timeout is None else timeout,
            max_pending=max_pending,
        )
