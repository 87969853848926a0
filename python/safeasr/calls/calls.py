"""The calls of a model: their arguments checked and their input told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.calls.awaiting import Readers
from safeasr.calls.call import Call
from safeasr.calls.future import Future
from safeasr.calls.kinds import kind_of_input
from safeasr.calls.result_writer import writer_of
from safeasr.calls.sentences import Sentences
from safeasr.calls.submission import Serving
from safeasr.deadlines import deadline_after
from safeasr.errors import InputError, OptionError, OptionFileNotFoundError, SafeASRError
from safeasr.families.base import Recognizer
from safeasr.inputs.expand import expand_inputs, waits_for_others
from safeasr.inputs.hotwords import names_urls, with_hotwords_read
from safeasr.inputs.pairs import PAIR_KINDS, expand_pairs, pair_waits_for_others, pairs_one_by_one
from safeasr.inputs.recording import Recording
from safeasr.inputs.utterance import Utterance, random_key
from safeasr.observability.observer import Observer
from safeasr.observability.watches import CallWatch
from safeasr.options.call import CallOptions, call_options
from safeasr.options.checks import time_limit
from safeasr.options.kinds import CALLABLE, require, shown
from safeasr.options.model import ModelOptions
from safeasr.text.hotwords import HotwordCorrector, build_hotword_corrector

__all__ = ["Calls"]

#: Of the hotword correction, what is decided when it is applied.
_WHEN_APPLIED = "return_postprocess_hotword_matches"


@dataclass(frozen=True, eq=False)
class _Refused(Utterance):
    """An input that is not what the model takes, in a call that keeps errors.

    Attributes:
        error: what is wrong with it.
    """

    error: SafeASRError | None = None

    @property
    def from_file(self) -> bool:
        """It is nothing."""
        return False

    def load(
        self, *, allow_empty: bool = False, deadline: float | None = None
    ) -> NDArray[np.float32] | str:
        """Raises its error."""
        raise self._refusal()

    def open(self, *, deadline: float | None = None, own: bool = False) -> Recording:
        """Raises its error."""
        raise self._refusal()

    def _refusal(self) -> SafeASRError:
        assert self.error is not None
        return self.error


class Calls:
    """Makes the calls of a model. Immutable but for the files it writes."""

    def __init__(
        self,
        recognizer: Recognizer,
        engine: _ext.Engine,
        options: ModelOptions,
        require_open: Callable[[], None],
        observer: Observer,
    ) -> None:
        """Remember what calls need.

        Args:
            recognizer: the model.
            engine: where it runs.
            options: of the constructor.
            require_open: raises EngineClosedError once the model is being closed.
            observer: counts and times the calls.
        """
        self._require_open = require_open
        self._recognizer = recognizer
        self._options = options
        self._observer = observer
        # Far enough ahead to keep the workers in full batches, near enough not to decode a whole
        # list of files into memory or to fill the queue for everyone else.
        devices = options.device.count(",") + 1
        ahead = 2 * options.max_batch_size * options.num_workers * devices
        self._serving = Serving(recognizer, engine, writer_of(recognizer), ahead)

    def watch(self, what: str) -> CallWatch:
        """Counts and times a call that begins now, of the method ``what``."""
        return self._observer.call(what)

    def deadline(self, timeout: Any) -> float | None:
        """When a call with that time limit ends; None: the model's limit.

        Raises:
            OptionError: if it is no number of at least 0.
        """
        return deadline_after(self._options.timeout if timeout is None else time_limit(timeout))

    def check(self, options: Mapping[str, Any]) -> CallOptions:
        """Sort and check the options of a call; on the caller's thread, whose line is blamed.

        Raises:
            OptionError: for a value that an option cannot have.
            InputError: for a ``data_type`` that the model does not take.
        """
        self._require_open()
        call = call_options(options, self._options, self._recognizer.options)
        self._recognizer.check(call.family)
        return replace(call, data_type=kind_of_input(self._recognizer, call.data_type))

    def run(
        self,
        input: Any,
        input_len: Any,
        progress_callback: Callable[[int, int], object] | None,
        timeout: float | None,
        options: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """A call from beginning to end; arguments and errors as of ``AutoModel.generate``."""
        watch = self.watch("generate")
        try:
            if progress_callback is not None:
                require(CALLABLE, "progress_callback", progress_callback)
            deadline = self.deadline(timeout)
            call = self.begin(input, input_len, self.check(options), deadline, watch)
            results = call.run(progress_callback)
        except BaseException as error:
            watch.failed(error)
            raise
        watch.answered()
        return results

    def start(
        self, input: Any, input_len: Any, timeout: float | None, options: Mapping[str, Any]
    ) -> Future[list[dict[str, Any]]]:
        """A call that goes on by itself; as of ``AutoModel.submit``."""
        watch = self.watch("submit")
        try:
            no_waiting = time_limit(timeout) == 0
            deadline = None if no_waiting else self.deadline(timeout)
            call = self.begin(input, input_len, self.check(options), deadline, watch)
            return call.start(no_waiting=no_waiting, alone=True)
        except BaseException as error:
            watch.failed(error)
            raise

    def follow(
        self,
        input: Any,
        input_len: Any,
        timeout: float | None,
        options: Mapping[str, Any],
        readers: Readers,
    ) -> Sentences:
        """A call whose sentences come as they are final; as of ``AutoModel.generate_iter``."""
        watch = self.watch("generate_iter")
        try:
            deadline, checked = self.deadline(timeout), self.check(options)
            return Sentences(
                lambda: self.begin(input, input_len, checked, deadline, watch),
                readers,
                deadline,
                watch,
                waits_for_others=self.waits_for_others(input, checked),
            )
        except BaseException as error:
            watch.failed(error)
            raise

    def waits_for_others(self, input: Any, call: CallOptions) -> bool:
        """Whether reading what a call names may have to wait for what is not this machine."""
        waits = pair_waits_for_others if call.data_type in PAIR_KINDS else waits_for_others
        return waits(input) or names_urls(call.family, self._recognizer.options)

    def begin(
        self,
        input: Any,
        input_len: Any,
        call: CallOptions,
        deadline: float | None,
        watch: CallWatch,
    ) -> Call:
        """Read the hotwords and expand the input of a call; no audio is read, nothing queued.

        Raises:
            OptionError: if the hotwords of the correction cannot be read.
            HotwordError: if those of the model cannot.
            NotAllowedError: if they, or the input, name what the model may not open.
            DeadlineExceededError: if the deadline passed meanwhile.
            OutputError: if nothing can be written to output_dir.
            InputError: if the input, or one of its items, is of a type that cannot be what the
                model takes. Calls that keep errors take that for an input that fails.
        """
        corrector = _corrector(call.hotwords)
        if call.output_dir is not None:
            self._serving.writer.require_writable(call.output_dir)
        call = self._with_hotwords(call, deadline)
        utterances = self._expand(input, input_len, call, deadline)
        return Call(self._serving, call, corrector, deadline, utterances, watch)

    def _with_hotwords(self, call: CallOptions, deadline: float | None) -> CallOptions:
        family = with_hotwords_read(
            call.family,
            self._recognizer.options,
            deadline=deadline,
            timeout_s=call.download_timeout,
            max_bytes=call.max_download_bytes,
            access=self._options.access,
            operators=self._options.call_defaults,
        )
        return call if family is call.family else replace(call, family=family)

    def _expand(
        self, input: Any, input_len: Any, call: CallOptions, deadline: float | None
    ) -> Sequence[Utterance]:
        paired = call.data_type in PAIR_KINDS

        def expand(some: Any, key: Any) -> list[Utterance]:
            return (expand_pairs if paired else expand_inputs)(
                some,
                key=key,
                fs=call.fs,
                data_type=call.data_type,
                input_len=input_len,
                sample_rate=self._recognizer.sample_rate,
                timeout_s=call.download_timeout,
                max_bytes=call.max_download_bytes,
                deadline=deadline,
                access=self._options.access,
                max_seconds=call.max_audio_seconds,
                strict=call.strict_audio,
            )

        try:
            return expand(input, call.key)
        except InputError as error:
            if not call.keep_errors:
                raise
            whole = error
        # One by one: most of them may be fine.
        if paired:
            items = pairs_one_by_one(input)
        else:
            several = isinstance(input, (list, tuple)) and input_len is None
            items = list(input) if several else [input]
        keys = call.key if isinstance(call.key, list) else [call.key] * len(items)
        if len(keys) != len(items):
            raise OptionError(f"{len(keys)} keys were given for {len(items)} inputs")
        found: list[Utterance] = []
        for index, (item, key) in enumerate(zip(items, keys, strict=True)):
            name = key if isinstance(key, str) else random_key()
            try:
                one = expand(
                    item if paired else [item],
                    None if key is None else [key] if call.key is keys else key,
                )
                found.append(replace(one[0], index=index))
            except InputError as error:
                said = str(error if len(items) > 1 else whole)
                refusal = type(error)(f"input {index} (key {name!r}): {said}")
                access = self._options.access
                found.append(_Refused(name, item, index=index, access=access, error=refusal))
        return found


def _corrector(hotwords: Mapping[str, Any]) -> HotwordCorrector | None:
    chosen = {name: value for name, value in hotwords.items() if name != _WHEN_APPLIED}
    try:
        return build_hotword_corrector(**chosen)
    except FileNotFoundError as error:
        raise OptionFileNotFoundError(str(error)) from None
    except (OSError, UnicodeError) as error:
        path = shown(chosen.get("postprocess_hotword_file"))
        raise OptionError(f"postprocess_hotword_file {path} cannot be read: {error}") from error
