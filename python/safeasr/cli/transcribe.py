"""``safeasr transcribe``: files to text, by a model in this process or by a server."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import typer

from safeasr.cli import transcribe_options as given
from safeasr.cli.formats import SUBTITLES, Format, Writer
from safeasr.cli.outputs import Folder, Output
from safeasr.cli.running import Recogniser, Result, progress, results_of
from safeasr.cli.say import complain, complain_of_parts
from safeasr.cli.sources import sources_of
from safeasr.cli.stream import stream_files
from safeasr.errors import OutputError, SafeASRError

__all__ = ["transcribe"]


def transcribe(
    inputs: given.Inputs,
    model: given.Model = None,
    vad: given.Vad = None,
    punc: given.Punc = None,
    spk: given.Spk = None,
    hotwords: given.Hotwords = None,
    keywords: given.Keywords = None,
    device: given.Device = None,
    workers: given.Workers = None,
    batch_size: given.BatchSize = None,
    timestamps: given.Timestamps = False,
    form: given.Form = None,
    as_json: given.AsJson = False,
    as_jsonl: given.AsJsonl = False,
    as_text: given.AsText = False,
    output: given.OutputFile = None,
    output_dir: given.OutputDir = None,
    resume: given.Resume = False,
    stream: given.Stream = False,
    real_time: given.RealTime = False,
    online_model: given.OnlineModel = None,
    on_error: given.OnError = given.WhenItFails.RETURN,
    trust_remote_code: given.Trust = False,
    server: given.Server = None,
    api_key: given.ApiKey = None,
    speakers: given.Speakers = False,
    language: given.Language = None,
    at_a_time: given.AtATime = None,
    insecure: given.Insecure = False,
) -> None:
    """Recognise speech in audio files.

    An input that cannot be recognised is named on standard error, and the exit code is 1.
    """
    form = _chosen_format(form, as_json, as_jsonl, as_text, timestamps)
    if stream and (form not in (Format.TEXT, Format.JSONL) or timestamps or output_dir):
        raise typer.BadParameter("--stream gives text or --jsonl, and no --output-dir")
    if real_time and not stream:
        raise typer.BadParameter("--real-time needs --stream")
    if output and output_dir:
        raise typer.BadParameter("--output and --output-dir exclude each other")
    if resume and not output_dir:
        raise typer.BadParameter("--resume needs --output-dir")
    of_models = {
        "--vad": vad,
        "--punc": punc,
        "--spk": spk,
        "--online-model": online_model,
        "--keywords": keywords,
        "--device": device,
        "--workers": workers,
        "--batch-size": batch_size,
        "--trust-remote-code": trust_remote_code,
    }
    of_servers = {
        "--speakers": speakers,
        "--language": language,
        "--at-a-time": at_a_time,
        "--insecure": insecure,
    }
    make: Callable[[], contextlib.AbstractContextManager[Recogniser]]
    if server is not None:
        _require_none_of(of_models, "the server's own choice")
        make = _remote(server, api_key, model, hotwords, form, timestamps, of_servers)
    else:
        _require_none_of(of_servers, "for --server")
        if online_model and not stream:
            raise typer.BadParameter("--online-model needs --stream")
        if not vad and (spk or form in SUBTITLES):
            raise typer.BadParameter(f"{'--spk' if spk else form.value} needs --vad")
        make = _local(model, hotwords, form, timestamps, of_models)
    sources = sources_of(inputs)
    stop = on_error is given.WhenItFails.RAISE
    with contextlib.ExitStack() as stack:
        # Opened first: a wrong path should not cost a run.
        out = stack.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
        sink: Output | None = None
        if output_dir is not None:
            sink = folder = Folder(output_dir, form)
            sources = folder.left_over(sources, resume=resume)
            if not sources:
                return
        elif not stream:
            sink = _writer(out, form, len(sources))
        recogniser = stack.enter_context(make())
        if sink is None:
            as_events = form is Format.JSONL
            failed = stream_files(
                recogniser, sources, out, as_json=as_events, paced=real_time, stop_at_first=stop
            )
        else:
            results = results_of(recogniser, sources, in_order=output_dir is None)
            bar = stack.enter_context(progress(len(sources), quiet=bool(output or output_dir)))
            task = bar.add_task("", total=len(sources))
            shown = _counted(results, lambda: bar.advance(task))
            failed = _write_all(shown, sink, recogniser, stop=stop)
    if failed:
        raise typer.Exit(1)


def _chosen_format(
    form: Format | None, as_json: bool, as_jsonl: bool, as_text: bool, timestamps: bool
) -> Format:
    if as_json + as_jsonl + as_text + (form is not None) > 1:
        raise typer.BadParameter("--format, --json, --jsonl and --text exclude each other")
    short = {Format.JSON: as_json, Format.JSONL: as_jsonl, Format.TEXT: as_text}
    chosen = form or next((one for one, given in short.items() if given), None)
    if timestamps and chosen not in (None, Format.JSON, Format.JSONL):
        raise typer.BadParameter("--timestamps needs --json or --jsonl")
    return chosen or (Format.JSONL if timestamps else Format.TEXT)


def _require_none_of(options: dict[str, Any], why: str) -> None:
    for name, value in options.items():
        if value:
            raise typer.BadParameter(f"{name} is {why}")


def _local(
    model: str | None,
    hotwords: str | None,
    form: Format,
    timestamps: bool,
    of_models: dict[str, Any],
) -> Callable[[], contextlib.AbstractContextManager[Recogniser]]:
    from safeasr.cli.local import Local  # loads torch

    return lambda: Local(
        model or "demo",
        vad=of_models["--vad"],
        punc=of_models["--punc"],
        spk=of_models["--spk"],
        online=of_models["--online-model"],
        device=of_models["--device"],
        workers=of_models["--workers"],
        batch_size=of_models["--batch-size"],
        trust_remote_code=of_models["--trust-remote-code"],
        timestamps=timestamps,
        sentences=form in SUBTITLES,
        hotwords=hotwords,
        keywords=of_models["--keywords"],
    )


def _remote(
    server: str,
    api_key: str | None,
    model: str | None,
    hotwords: str | None,
    form: Format,
    timestamps: bool,
    of_servers: dict[str, Any],
) -> Callable[[], contextlib.AbstractContextManager[Recogniser]]:
    from safeasr.cli.remote import Remote

    return lambda: Remote(
        server,
        api_key,
        model=model,
        hotwords=hotwords,
        language=of_servers["--language"],
        speakers=of_servers["--speakers"],
        callers=of_servers["--at-a-time"] or 8,
        insecure=of_servers["--insecure"],
        timestamps=timestamps,
        sentences=form in SUBTITLES,
    )


def _writer(out: IO[str], form: Format, inputs: int) -> Writer:
    if form in (Format.SRT, Format.VTT) and inputs > 1:
        raise typer.BadParameter(f"{form.value} of several inputs needs --output-dir")
    return Writer(out, form, with_keys=inputs > 1)


def _counted(results: Iterable[Result], done: Callable[[], None]) -> Iterator[Result]:
    for result in results:
        done()
        yield result


def _write_all(results: Iterable[Result], sink: Output, recogniser: Recogniser, stop: bool) -> int:
    """Put results where they belong; returns how many inputs failed, 1 if that was to stop it."""
    failed = 0
    with contextlib.closing(sink):
        for name, key, outcome in results:
            if _written(sink, name, outcome):
                continue
            failed += 1
            if stop:
                recogniser.stop()
                break
            if isinstance(outcome, SafeASRError):
                sink.write_error(key, outcome)
    return failed


def _written(sink: Output, name: str, outcome: dict[str, Any] | SafeASRError) -> bool:
    """Whether an input was recognised, all of it, and its result is where it belongs."""
    if isinstance(outcome, SafeASRError):
        complain(f"error: {name}: {outcome}")
        return False
    errors = outcome.get("errors", ())
    complain_of_parts(name, errors)
    try:
        sink.write(outcome)
    except OutputError as error:
        complain(f"error: {name}: {error}")
        return False
    return not errors
