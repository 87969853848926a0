"""OpenTelemetry spans of requests, where the program has set up OpenTelemetry.

Nothing is imported for it. A program that wants spans has imported ``opentelemetry.trace`` and set
a tracer provider; as long as it has not, the question costs one look into ``sys.modules``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from safeasr._version import __version__
from safeasr.observability.moments import Moments
from safeasr.printable import printable

__all__ = ["here", "shown_key", "tracer", "write_spans"]

#: Of a call with very many inputs, these have spans of their own; the call says how many it had.
_MOST_INPUTS: Final = 100
#: A key is a name; a longer one is cut off, as in the log.
_KEY_SHOWN: Final = 80
#: With this variable OpenTelemetry makes a provider when it is asked for one.
_NAMED_PROVIDER: Final = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ

_tracer: Any = None


def tracer() -> Any:
    """The program's tracer; None where there is none, or one that keeps nothing."""
    global _tracer
    if _tracer is not None:
        return _tracer
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    # Asking for the provider costs microseconds where none was set: a look first.
    if not _NAMED_PROVIDER and getattr(trace, "_TRACER_PROVIDER", trace) is None:
        return None
    try:
        provider = trace.get_tracer_provider()
        if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
            return None  # one may be set later
        _tracer = provider.get_tracer("safeasr", __version__)
    except Exception:  # it is being imported, or is broken: no reason to fail a call
        return None
    return _tracer


def here() -> Any:
    """The calling code's context: what spans of a call that begins now are children of.

    None if there is none to be had: then the call has no spans.
    """
    try:
        return sys.modules["opentelemetry.context"].get_current()
    except Exception:  # as in `tracer`
        return None


def shown_key(key: str) -> str:
    """A key as spans have it: on one line, and of bounded length."""
    return printable(key, _KEY_SHOWN)


def write_spans(
    name: str,
    parent: Any,
    began: float,
    ended: float,
    error: str | None,
    attributes: Mapping[str, Any],
    inputs: Sequence[Moments],
) -> None:
    """Write the span of a call that has ended, and those of its stages.

    Args:
        name: of the span.
        parent: of :func:`here`, when the call began.
        began: this and other times: of the monotonic clock.
        ended: as ``began``.
        error: the class of what it failed with, or None.
        attributes: of the span.
        inputs: whose stages they are.
    """
    found = tracer()
    if found is None:
        return
    trace = sys.modules["opentelemetry.trace"]
    # From one clock to the other, in whole ns: as floats, times of day have steps of 0.2 us.
    offset = time.time_ns() - time.monotonic_ns()

    def at(moment: float) -> int:
        return offset + round(moment * 1e9)

    span = found.start_span(name, parent, start_time=at(began), attributes=dict(attributes))
    if span.is_recording():
        within = trace.set_span_in_context(span, parent)
        for one in inputs[:_MOST_INPUTS]:
            named = {} if one.key is None else {"safeasr.key": shown_key(one.key)}
            for stage, (start, end, known) in one.spans().items():
                child = found.start_span(
                    f"safeasr.{stage}", within, start_time=at(start), attributes={**named, **known}
                )
                child.end(at(max(start, end)))
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(trace.Status(trace.StatusCode.ERROR, error))
    span.end(at(max(began, ended)))
