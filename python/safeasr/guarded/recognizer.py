"""A guarded model as any other: inputs to requests of its copies, results to FunASR's dicts."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.families.base import Accepts, Task
from safeasr.families.cached import CACHE, submit_cached
from safeasr.families.terms import OwnStream, Terms
from safeasr.guarded.jobs import Job
from safeasr.guarded.messages import Described, Request
from safeasr.guarded.pool import Pool
from safeasr.options.declared import FLAG, Option, Options
from safeasr.options.names import COMMON, CONFIG, HOTWORDS, OWN
from safeasr.pair import Pair

__all__ = ["GuardedRecognizer"]

#: Options of streams, declared only where the model has them.
_STREAMING: Final = Options(
    Option("cache", CACHE, help="The state of a live stream, {} at its beginning."),
    Option("is_final", FLAG, help="The stream ends with these samples."),
)
#: Common options that mean something to FunASR's code for one input.
_MEANT: Final = frozenset("lm_file maxlenratio minlenratio".split())
#: What belongs to the model as it was made, and must not be replaced by a call.
_OF_THE_MODEL: Final = frozenset(
    "model model_path model_revision tokenizer frontend token_list vocab_size input_size hub seed "
    "input input_len progress_callback kwargs trust_remote_code remote_code check_latest "
    "disable_update disable_log log_level ngpu".split()
)
_OURS: Final = (frozenset(COMMON) - _MEANT) | OWN | frozenset(HOTWORDS) | frozenset(CONFIG)
_NEVER_PASSED: Final = _OURS | _OF_THE_MODEL | frozenset(_STREAMING)


def _may_pass(name: str) -> bool:
    """Whether FunASR's code is given an option of a name that nobody declared."""
    return name not in _NEVER_PASSED


class _GuardedStream(OwnStream):
    """A live stream, whose state lies with one of the copies."""

    def __init__(self, pool: Pool, options: Mapping[str, Any]) -> None:
        self._pool = pool
        self._options = options
        self._number = pool.streams.open()
        weakref.finalize(self, pool.streams.close, self._number)

    def submit(self, samples: NDArray[np.float32], *, is_final: bool, terms: Terms) -> Job:
        """Queue the next samples."""
        options = {**self._options, "is_final": is_final}
        # A copy: whoever feeds the stream may use the array again.
        request = Request(np.array(samples, np.float32), "sound", options, self._number)
        return self._pool.submit(request, terms)


class GuardedRecognizer:
    """A model of FunASR's as a recogniser. It ends with :meth:`close`, or when it is dropped."""

    def __init__(self, pool: Pool, described: Described) -> None:
        """Take copies that are ready.

        Args:
            pool: of the copies.
            described: what they are.
        """
        self.task: Task = described.task
        self.accepts: tuple[Accepts, ...] = described.accepts
        self.streams = described.streams and "samples" in described.accepts
        self.sample_rate = described.sample_rate
        own = _STREAMING if self.streams else Options()
        self.options = own | Options(beyond=_may_pass)
        self._pool = pool
        weakref.finalize(self, pool.close, drain=False)

    def check(self, options: Mapping[str, Any]) -> None:
        """Nobody but the model knows what its options mean."""

    def submit(
        self, engine: _ext.Engine, data: Any, options: Mapping[str, Any], terms: Terms
    ) -> _ext.Ticket:
        """Queue one input."""
        if options.get("cache") is not None:
            final = bool(options.get("is_final", False))
            return submit_cached(self, engine, data, options, terms, is_final=final)
        given = self.stream_options(options)
        if self.streams and (terms.from_file or "is_final" in options):
            given["is_final"] = bool(options.get("is_final", True))
        if isinstance(data, str):
            return self._pool.submit(Request(data, "text", given), terms)
        if isinstance(data, Pair):
            pair = (np.array(data.samples, np.float32), data.text)
            return self._pool.submit(Request(pair, "pair", given), terms)
        kind = "sound" if data.ndim == 1 else "fbank"
        return self._pool.submit(Request(np.array(data, np.float32), kind, given), terms)

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's dict, with the input's own name."""
        return {"key": key, **result}

    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What FunASR's code is given of the options of a call or stream; copies."""
        given = {n: v for n, v in options.items() if n in _MEANT or _may_pass(n)}
        try:
            return copy.deepcopy(given)
        except Exception:  # something that cannot be copied, which the model may know how to use
            return given

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _GuardedStream:
        """A new live stream."""
        return _GuardedStream(self._pool, self.stream_options(options))

    def text_of(self, ids: list[Any]) -> str:
        """Of the texts of chunks: nothing is known of tokens."""
        return "".join(one for one in ids if isinstance(one, str))

    def close(self, *, drain: bool) -> None:
        """As of ``AutoModel.close``."""
        self._pool.close(drain=drain)
        self._pool.wait_until_gone()

    def stats(self) -> dict[str, Any]:
        """Counters of its copies, as of the engine."""
        return self._pool.stats()

    def part_stats(self) -> dict[str, Any]:
        """As of a part of ``AutoModel.stats``."""
        return self._pool.part_stats()
