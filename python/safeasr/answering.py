"""The calls of an AutoModel: of FunASR's, ``generate``; and those that FunASR has no word for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from safeasr.assembled import Assembled
from safeasr.calls.future import Future
from safeasr.calls.sentences import Sentences
from safeasr.errors import DeadlineExceededError, EngineClosedError
from safeasr.stream.stream import Stream

__all__ = ["Answering"]


class Answering(Assembled):
    """A model that answers calls, from any number of threads at once."""

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
                bytes, buffer, file object, or a list of these. Bytes are a file's contents; raw
                16-bit PCM with ``fs=`` or ``data_type="pcm"``. For a punctuation model text, a list
                file of texts, or a list of texts; for an aligner ``(recordings, texts)``, each
                alone, a list or a list file.
            input_len: lengths of features given with ``data_type="fbank"``.
            progress_callback: called as ``fn(done, total)`` after each utterance, in order.
            timeout: time limit of this call in seconds, reading the audio included; default: the
                model's.
            **options: FunASR's options of ``generate``; ``on_error``: "return" puts ``{"key": ...,
                "error": the exception}`` in the place of an input that fails, also of one that the
                timeout left over, "raise" (the default) raises what fails first;
                ``max_audio_seconds`` (default 36,000), the longest recording that is taken;
                ``strict_audio=True`` to refuse damaged files; ``download_timeout`` (seconds) and
                ``max_download_bytes`` for URLs. They hold for this call alone; those given to the
                constructor are its defaults.

        Returns:
            One dict for each utterance, in the order of the input: ``key``, ``text``, and
            ``timestamp`` if asked for; of a voice activity detector ``key`` and ``value``, its
            segments ``[[start_ms, end_ms], ...]``; of a punctuation model ``key``, ``text`` and
            ``punc_array``, the numbers of the marks, a tensor (words,) int64. Of a recording that
            was taken in segments ``errors``, too, if the network failed on some of them:
            ``[{"start": ms, "end": ms, "error": the exception}, ...]``; ``sentence_info`` if asked
            for, and with a ``spk_model``: dicts with ``text``, ``start`` and ``end`` in ms,
            ``timestamp``, ``spk``; ``spk_embedding_center`` (speakers, size) float32, and
            ``raw_text``, if asked for.

        Raises:
            OptionError: if an argument or an option has a value that it cannot have. Nothing was
                queued then.
            InputError: if an input is not what the model takes.
            AudioError: if an input cannot be read as audio.
            NotAllowedError: if it names a file or URL that the model may not open.
            AudioTooLongError: if it is longer than ``max_audio_seconds``.
            QueueFullError: if there was no room in the queue within the timeout.
            DeadlineExceededError: if the timeout passed.
            EngineClosedError: if the model is closed.
            InferenceError: if the network failed on an input.
            OutputError: if the results cannot be written to ``output_dir``.

        What it raises, ``KeyboardInterrupt`` too, has an attribute ``results``: a result or None
        for each input, as far as they were done.
        """
        return self._calls.run(input, input_len, progress_callback, timeout, options)

    def generate_iter(
        self, input: Any, input_len: Any = None, *, timeout: float | None = None, **options: Any
    ) -> Sentences:
        """:meth:`generate` for recordings of any length: sentences as soon as they are final.

        ``for sentence in model.generate_iter(...)``, or ``async for``. With a ``vad_model`` audio
        is decoded, detected and recognised a minute at a time, so that neither the first sentence
        nor memory depends on how long it is. One thread or task may loop over what is returned;
        leaving the loop for good cancels the rest (``close()``, or a ``with`` block, does so at
        once).

        Args:
            input: as in :meth:`generate`.
            input_len: as in :meth:`generate`.
            timeout: time limit of all of it in seconds; default: the model's.
            **options: as in :meth:`generate`.

        Yields:
            Of each input, in order, its sentences: ``key``, ``text``, ``start`` and ``end`` in ms,
            ``timestamp``, as in ``sentence_info``; without ``punc_model`` the detector's segments
            are the sentences. With ``spk_model`` they have ``spk``, and come when the input has
            been heard to its end. A segment on which the network failed is ``key``, ``start``,
            ``end`` and ``error``. Without ``vad_model``: what :meth:`generate` returns for the
            input. With ``on_error="return"`` an input that fails, maybe after some of its
            sentences, is ``{"key": ..., "error": the exception}``.

        Raises:
            OptionError: if an argument or an option has a value that it cannot have.
            SafeASRError: in the loop, as in :meth:`generate`.
        """
        return self._calls.follow(input, input_len, timeout, options, self._readers)

    def submit(
        self,
        input: Any,
        input_len: Any = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> Future[list[dict[str, Any]]]:
        """Queue input and return at once with a future of what ``generate`` would return.

        Audio is decoded by the caller, before this returns; with a ``vad_model`` only the first
        minute of a file, which must stay as it is until the result is there. If the queue is full,
        it waits for room until the timeout; ``timeout=0`` does not wait.

        Args:
            input: as in :meth:`generate`.
            input_len: as in :meth:`generate`.
            timeout: seconds from now after which the request is not started any more, nor gone on
                with (it then fails with DeadlineExceededError); 0: no such limit, but do not wait
                for room.
            **options: as in :meth:`generate`.

        Raises:
            AudioError: if an input cannot be read as audio (with ``on_error="raise"``).
            QueueFullError: if there was no room in the queue. Nothing was accepted.
            EngineClosedError: if the model is closed.
            OptionError: if an argument or an option has a value that it cannot have.
        """
        return self._calls.start(input, input_len, timeout, options)

    async def agenerate(
        self, input: Any, input_len: Any = None, *, timeout: float | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """:meth:`generate` for asyncio: decoding and waiting do not block the event loop.

        Audio is read on threads of the model's own: what waits for the network does not hold up
        what is at hand. Cancelling the task ends that too, and cancels the future, see
        :meth:`Future.cancel <safeasr.calls.future.Future.cancel>`. Whoever wants what was done by
        then keeps a future of :meth:`submit` instead.
        """
        watch = self._calls.watch("agenerate")
        begun: list[Future[list[dict[str, Any]]]] = []
        try:
            deadline, checked = self._calls.deadline(timeout), self._calls.check(options)

            def start() -> Future[list[dict[str, Any]]]:
                call = self._calls.begin(input, input_len, checked, deadline, watch)
                begun.append(call.start(no_waiting=False))
                return begun[0]

            try:
                results = await self._readers.start_and_wait(
                    start, deadline, waits_for_others=self._calls.waits_for_others(input, checked)
                )
            except DeadlineExceededError as error:
                if not begun or error.results is not None:
                    raise
                results = begun[0]._end_early(error)
        except BaseException as error:
            watch.failed(error)
            raise
        watch.answered()
        return results

    @property
    def stream_modes(self) -> tuple[str, ...]:
        """What ``mode`` of :meth:`stream` may be with these models; empty: there are no streams."""
        return self._streams.modes

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
          stream, ``is_final`` True. With ``punc_model`` its text has marks; ``raw_text`` is the
          text without them if asked for (``return_raw_text=True``). With ``spk_model``, ``spk`` is
          the speaker's number in this stream, also across ``is_final`` (unless
          ``return_spk_res=False``), ``spk_score`` the cosine between the segment and what was heard
          of them before (1.0 for somebody new: below ``spk_threshold``, default 0.5, to
          everybody), ``spk_center`` their mean direction if asked for
          (``return_spk_center=True``); windows on which the network failed are ``errors``, and
          with no other ``spk`` is None.

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
            OptionError: if an option makes no sense, or hotwords cannot be read.
            NotAllowedError: if one names a file or URL that the model may not open.
            EngineClosedError: if the model is closed.
        """
        with self._observer.opening():
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
