"""``safeasr transcribe``: files to text."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from safeasr.auto_model import AutoModel
from safeasr.cli.models import load_model
from safeasr.cli.say import complain, is_terminal, put_line
from safeasr.cli.stream import stream_files
from safeasr.errors import AudioError, DeadlineExceededError, InferenceError, SafeASRError
from safeasr.inputs.expand import expand_inputs

__all__ = ["transcribe"]

#: Threads that read and decode audio, and wait; the model's own workers compute.
_MAX_CALLERS = 64


class _Format(str, Enum):
    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


class _OnError(str, Enum):
    RETURN = "return"
    RAISE = "raise"


def _chosen_format(as_json: bool, as_jsonl: bool, as_text: bool, timestamps: bool) -> _Format:
    if as_json + as_jsonl + as_text > 1:
        raise typer.BadParameter("--json, --jsonl and --text exclude each other")
    if timestamps and as_text:
        raise typer.BadParameter("--timestamps needs --json or --jsonl")
    if as_json:
        return _Format.JSON
    return _Format.JSONL if as_jsonl or timestamps else _Format.TEXT


def _sources(inputs: Sequence[str]) -> list[tuple[str, object]]:
    """Key and source of every utterance; list files are opened, audio is not."""
    if inputs.count("-") > 1:
        raise typer.BadParameter("'-' (standard input) can be given once")
    found: list[tuple[str, object]] = []
    for name in inputs:
        if name == "-":
            found.append(("stdin", sys.stdin.buffer.read()))
        else:
            found.extend((one.key, one.source) for one in expand_inputs(name))
    return found


class _Writer:
    """Results to a file or the standard output, each as soon as it is there."""

    def __init__(self, out: IO[str], form: _Format, *, with_keys: bool) -> None:
        self._out = out
        self._form = form
        self._with_keys = with_keys
        self._all: list[dict[str, Any]] = []

    def write(self, result: dict[str, Any]) -> None:
        if self._form is _Format.JSON:
            self._all.append(result)
            return
        if self._form is _Format.JSONL:
            line = json.dumps(result, ensure_ascii=False)
        else:
            line = str(result.get("text", result.get("value")))
            if self._with_keys:
                line = f"{result['key']}\t{line}"
        put_line(line, self._out)

    def write_error(self, key: str, error: SafeASRError) -> None:
        """An input that failed, in its place; text has no way to say so."""
        if self._form is not _Format.TEXT:
            said = {"type": type(error).__name__, "message": " ".join(str(error).split())}
            self.write({"key": key, "error": said})

    def close(self) -> None:
        """Also after Ctrl-C: what is done is not lost."""
        if self._form is _Format.JSON:
            put_line(json.dumps(self._all, ensure_ascii=False, indent=1), self._out)


def _results(
    model: AutoModel, sources: Sequence[tuple[str, object]], options: dict[str, Any], callers: int
) -> Iterator[tuple[str, str, dict[str, Any] | SafeASRError]]:
    """Name, key, and result or error, of every utterance, in order; a few are always under way."""

    def recognise(key: str, source: object) -> dict[str, Any]:
        return model.generate(source, key=key, **options)[0]

    pool = ThreadPoolExecutor(callers, thread_name_prefix="safeasr-cli")
    pending: deque[tuple[str, str, Future[dict[str, Any]]]] = deque()
    left = iter(sources)
    try:
        while True:
            while len(pending) < 2 * callers and (item := next(left, None)) is not None:
                name = item[1] if isinstance(item[1], str) else item[0]
                pending.append((name, item[0], pool.submit(recognise, *item)))
            if not pending:
                return
            name, key, future = pending[0]
            try:
                outcome: dict[str, Any] | SafeASRError = future.result()
            except (AudioError, InferenceError, DeadlineExceededError) as error:
                outcome = error  # this utterance's own; the others go on
            pending.popleft()
            yield name, key, outcome
    except BaseException:
        # Ctrl-C, or a failure of all: what waits is taken back, so the pool's threads come home.
        for _, _, future in pending:
            future.cancel()
        model.close(drain=False)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _callers(batch_size: int | None, workers: int, inputs: int) -> int:
    """Threads that keep every worker in full batches, as far as there are inputs for them."""
    enough = _MAX_CALLERS if batch_size is None else 2 * batch_size * workers
    return max(1, min(_MAX_CALLERS, enough, inputs))


def _progress(total: int) -> Any:
    """A progress bar on a terminal when there is more than one utterance; otherwise nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    shown = total > 1 and is_terminal(sys.stderr) and not is_terminal(sys.stdout)
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True) if shown else Console(file=io.StringIO()),
        disable=not shown,
        transient=True,
    )


def transcribe(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Audio files, URLs, list files (.scp, .txt, .json, .jsonl), or - for audio on the "
            "standard input.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="demo, a model directory, a bundle or a hub name.")
    ] = "demo",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1; default: CUDA if there is any.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute; default: all cores.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Utterances that are computed together at most; default: 16, on CUDA 128.",
        ),
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Times of the tokens in ms; implies --jsonl.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    as_text: Annotated[
        bool,
        typer.Option(
            "--text", help="Text alone (default); with several inputs: name, tab, text a line."
        ),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here, not to standard output.")
    ] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Feed each file chunk by chunk to a live stream and show the text as it comes. An "
            "offline model then needs --online-model and --vad-model beside it (demo has them).",
        ),
    ] = False,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="With --stream: no faster than it was spoken.")
    ] = False,
    online_model: Annotated[
        str | None, typer.Option(help="With --stream: streaming model for the first pass.")
    ] = None,
    vad_model: Annotated[
        str | None, typer.Option(help="With --stream: voice activity detector.")
    ] = None,
    on_error: Annotated[
        _OnError,
        typer.Option(
            help="return: name an input that fails on standard error, with --json and --jsonl also "
            "in its place, and go on; raise: stop at the first. What is done is written either way."
        ),
    ] = _OnError.RETURN,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Read checkpoints that hold Python objects.")
    ] = False,
) -> None:
    """Recognise speech in audio files.

    An input that cannot be recognised is named on standard error, and the exit code is 1.
    """
    form = _chosen_format(as_json, as_jsonl, as_text, timestamps)
    if stream and (as_json or timestamps):
        raise typer.BadParameter("--stream gives text or --jsonl")
    if not stream and (real_time or online_model or vad_model):
        raise typer.BadParameter("--real-time, --online-model and --vad-model need --stream")
    sources = _sources(inputs)
    failed = 0
    with contextlib.ExitStack() as stack:
        # Opened first: a wrong path should not cost a run.
        out = stack.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
        recogniser = stack.enter_context(
            load_model(
                model,
                device=device,
                num_workers=workers,
                max_batch_size=batch_size,
                trust_remote_code=trust_remote_code,
                **({"online_model": online_model, "vad_model": vad_model} if stream else {}),
            )
        )
        if stream:
            if stream_files(
                recogniser, sources, out, as_json=form is _Format.JSONL, paced=real_time
            ):
                raise typer.Exit(1)
            return
        workers_running = int(recogniser.stats()["workers"])
        callers = _callers(batch_size, workers_running, len(sources))
        options = {"output_timestamp": True} if timestamps else {}
        writer = _Writer(out, form, with_keys=len(sources) > 1)
        bar = stack.enter_context(_progress(len(sources)))
        task = bar.add_task("", total=len(sources))
        with contextlib.closing(writer):
            for name, key, outcome in _results(recogniser, sources, options, callers):
                bar.advance(task)
                if not isinstance(outcome, SafeASRError):
                    writer.write(outcome)
                    continue
                failed += 1
                complain(f"error: {name}: {outcome}")
                if on_error is _OnError.RAISE:
                    recogniser.close(drain=False)
                    break
                writer.write_error(key, outcome)
    if failed:
        raise typer.Exit(1)
