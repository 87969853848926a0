"""Which targets there are, and the one that a user's words mean. Loads only the one asked for."""

from __future__ import annotations

import difflib
import importlib
import re
from typing import Final
from urllib.parse import urlsplit

from safeasr.bench.targets.base import Options, Target, TargetError

__all__ = ["known_targets", "make_target"]

#: Models in this process: the kind, and what it is. `N` stands for a number.
IN_PROCESS: Final[dict[str, str]] = {
    "safeasr": "safeasr's AutoModel, called from threads",
    "funasr": "FunASR's AutoModel, called from threads without a lock",
    "funasr-lock": "FunASR's AutoModel behind a lock",
    "funasr-procs:N": "N processes with a FunASR model each",
    "safeasr-procs:N": "N processes with a safeasr model each",
    "funasr-onnx": "the package funasr-onnx",
}
#: Schemes of servers: where the class is, and what it is.
SERVERS: Final[dict[str, tuple[str, str]]] = {
    "http": ("openai_http:OpenAIHttp", "a server with OpenAI's POST /v1/audio/transcriptions"),
    "https": ("openai_http:OpenAIHttp", "the same, encrypted"),
    "ws": ("funasr_ws:FunasrWs", "a server with FunASR's websocket protocol"),
    "wss": ("funasr_ws:FunasrWs", "the same, encrypted"),
}
REALTIME: Final = "openai_realtime:OpenAIRealtime"
CALLABLE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
#: What the packages of `pip install 'safeasr[bench]'` are imported as.
EXTRA: Final = frozenset({"httpx", "websockets", "soxr"})


def known_targets() -> list[tuple[str, str]]:
    """What can be named as a target, and what each is, for help texts."""
    servers = [(f"{scheme}://HOST[:PORT]", what) for scheme, (_, what) in SERVERS.items()]
    realtime = ("ws://HOST/v1/realtime", "a server with OpenAI's realtime transcription; also wss")
    return [
        *((f"inproc:{kind}", what) for kind, what in IN_PROCESS.items()),
        *servers,
        realtime,
        ("MODULE:NAME", "a function(samples, **options) or a class of yours, in this process"),
    ]


def make_target(spec: str, options: Options) -> Target:
    """The target that a user's words mean; nothing is loaded or looked for yet.

    Args:
        spec: one of :func:`known_targets`.
        options: what it is made from.

    Raises:
        ValueError: there is none of this name; the message lists what there is.
        TargetError: a package that it needs is not installed.
    """
    scheme, _, rest = spec.partition("://")
    if rest and scheme.lower() in SERVERS:
        scheme = scheme.lower()
        realtime = urlsplit(spec).path.rstrip("/").endswith("/realtime")
        where = REALTIME if realtime and scheme in ("ws", "wss") else SERVERS[scheme][0]
        return _load(where, spec, options)
    if spec.startswith("inproc:"):
        kind = spec.removeprefix("inproc:")
        if re.sub(r":[1-9]\d*$", ":N", kind) not in IN_PROCESS or kind.endswith(":N"):
            raise _unknown(spec)
        return _load("inproc:make", kind, options)
    if CALLABLE.fullmatch(spec):
        return _load("python_callable:PythonCallable", spec, options)
    raise _unknown(spec)


def _load(where: str, first: str, options: Options) -> Target:
    module, _, name = where.partition(":")
    try:
        make = getattr(importlib.import_module(f"safeasr.bench.targets.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise TargetError(
            f"this target needs the package {error.name}: pip install 'safeasr[bench]'"
        ) from error
    target: Target = make(first, options)
    return target


def _unknown(spec: str) -> ValueError:
    # Without the prefix: what all of them have makes nothing similar.
    near = difflib.get_close_matches(spec.removeprefix("inproc:"), IN_PROCESS, 1, 0.7)
    hint = f"; did you mean inproc:{near[0]}?" if near else "."
    listed = "".join(f"\n  {name:24}{what}" for name, what in known_targets())
    return ValueError(f"no target {spec!r}{hint} There are:{listed}")
