"""Which targets there are, what they load, and what is said of a name that is none."""

from __future__ import annotations

import re
import sys

import pytest

from safeasr.bench.targets import table
from safeasr.bench.targets.base import Options, TargetError
from safeasr.bench.targets.funasr_ws import FunasrWs
from safeasr.bench.targets.openai_http import OpenAIHttp
from safeasr.bench.targets.openai_realtime import OpenAIRealtime
from safeasr.bench.targets.python_callable import PythonCallable
from safeasr.bench.targets.table import known_targets, make_target
from support.processes import child_environment, run_to_end


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("http://127.0.0.1:8000", OpenAIHttp),
        ("https://host/v1/audio/transcriptions", OpenAIHttp),
        ("ws://127.0.0.1:10095", FunasrWs),
        ("WSS://host:1/any/path", FunasrWs),
        ("ws://host/v1/realtime", OpenAIRealtime),
        ("wss://host/v1/realtime?model=m", OpenAIRealtime),
        ("package.module:Class.method", PythonCallable),
    ],
)
def test_names_mean_targets(spec: str, kind: type) -> None:
    target = make_target(spec, Options())
    assert type(target) is kind
    assert target.name == spec
    assert target.remote is (kind is not PythonCallable)


@pytest.mark.parametrize(
    "kind", ["safeasr", "funasr", "funasr-lock", "funasr-procs:4", "safeasr-procs:12"]
)
def test_models_in_process_are_made_by_their_kind(kind: str) -> None:
    assert make_target(f"inproc:{kind}", Options(model="demo")).name == f"inproc:{kind}"


@pytest.mark.parametrize(
    ("spec", "near"),
    [
        ("inproc:safeasrr", "inproc:safeasr"),
        ("funasr-lock", "inproc:funasr-lock"),
        ("inproc:funasr-procs", "inproc:funasr-procs:N"),
        ("inproc:funasr-procs:0", "inproc:funasr-procs:N"),
        ("inproc:funasr-procs:N", None),
        ("", None),
        ("wsx://what", None),
        ("http://", None),
        ("a b:c", None),
    ],
)
def test_other_names_list_what_there_is(spec: str, near: str | None) -> None:
    with pytest.raises(ValueError, match="There are:") as caught:
        make_target(spec, Options())
    message = str(caught.value)
    for name, what in known_targets():
        assert name in message and what in message
    if near is not None:
        assert f"did you mean {near}?" in message


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
    for name in list(sys.modules):
        if re.match(r"safeasr\.bench\.targets\.(channel|funasr_ws)$", name):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(TargetError, match=r"package websockets.*safeasr\[bench\]"):
        make_target("ws://x", Options())


@pytest.mark.parametrize("module", ["openai_http", "funasr_ws", "openai_realtime", "table"])
def test_remote_targets_need_no_torch(module: str) -> None:
    code = (
        f"import sys; import safeasr.bench.targets.{module}; "
        "print([name for name in ('torch', 'funasr', 'safeasr._ext') if name in sys.modules])"
    )
    done = run_to_end([sys.executable, "-c", code], env=child_environment())
    assert done.stdout.strip() == "[]", done.stderr


def test_every_target_of_the_table_exists() -> None:
    for where, _ in table.SERVERS.values():
        assert where.partition(":")[2] in ("OpenAIHttp", "FunasrWs")
