"""``safeasr transcribe``: files to text."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from safeasr.auto_model import AutoModel
from safeasr.cli.formats import SUBTITLES, Format, Writer
from safeasr.cli.models import load_model
from safeasr.cli.outputs import Folder, Output
from safeasr.cli.running import Result, callers_for, progress, results_of
from safeasr.cli.say import complain, complain_of_parts
from safeasr.cli.sources import sources_of
from safeasr.cli.stream import stream_files
from safeasr.errors import OutputError, SafeASRError

__all__ = ["transcribe"]


class _OnError(str, Enum):
    RETURN = "return"
    RAISE = "raise"


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


def transcribe(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Audio files, folders of them, URLs, list files (.scp, .txt, .json, .jsonl), or - "
            "for audio on the standard input.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="demo, a model directory, a bundle or a hub name.")
    ] = "demo",
    vad: Annotated[
        str | None,
        typer.Option(
            "--vad", "--vad-model", help="Voice activity detector: recordings of any length."
        ),
    ] = None,
    punc: Annotated[str | None, typer.Option("--punc", help="Punctuation model.")] = None,
    spk: Annotated[
        str | None,
        typer.Option("--spk", help="Model for speaker embeddings; needs --vad."),
    ] = None,
    hotwords: Annotated[
        str | None, typer.Option(help="Words to look out for, with spaces between, or a .txt file.")
    ] = None,
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
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="text (default) or another; srt, vtt and tsv need --vad."
        ),
    ] = None,
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
    output_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="A file here for each input, as soon as it is done.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --output-dir: only inputs without a file there.")
    ] = False,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Feed each file chunk by chunk to a live stream and show the text as it comes. An "
            "offline model then needs --online-model and --vad beside it (demo has them).",
        ),
    ] = False,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="With --stream: no faster than it was spoken.")
    ] = False,
    online_model: Annotated[
        str | None, typer.Option(help="With --stream: streaming model for the first pass.")
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
    form = _chosen_format(form, as_json, as_jsonl, as_text, timestamps)
    if stream and (form not in (Format.TEXT, Format.JSONL) or timestamps or output_dir):
        raise typer.BadParameter("--stream gives text or --jsonl, and no --output-dir")
    if not stream and (real_time or online_model):
        raise typer.BadParameter("--real-time and --online-model need --stream")
    if not vad and (spk or form in SUBTITLES):
        raise typer.BadParameter(f"{'--spk' if spk else form.value} needs --vad")
    if output and output_dir:
        raise typer.BadParameter("--output and --output-dir exclude each other")
    if resume and not output_dir:
        raise typer.BadParameter("--resume needs --output-dir")
    sources = sources_of(inputs)
    options = _options(form, timestamps, hotwords)
    beside = {
        "online_model": online_model,
        "vad_model": vad,
        "punc_model": punc,
        "spk_model": spk,
    }
    with contextlib.ExitStack() as stack:
        # Opened first: a wrong path should not cost a run.
        sink: Output
        out = stack.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
        if output_dir is not None:
            sink = folder = Folder(output_dir, form)
            sources = folder.left_over(sources, resume=resume)
            if not sources:
                return
        elif not stream:
            if form in (Format.SRT, Format.VTT) and len(sources) > 1:
                raise typer.BadParameter(f"{form.value} of several inputs needs --output-dir")
            sink = Writer(out, form, with_keys=len(sources) > 1)
        recogniser = stack.enter_context(
            load_model(
                model,
                device=device,
                num_workers=workers,
                max_batch_size=batch_size,
                trust_remote_code=trust_remote_code,
                **{role: name for role, name in beside.items() if name},
            )
        )
        if stream:
            failed = stream_files(
                recogniser,
                sources,
                out,
                as_json=form is Format.JSONL,
                paced=real_time,
                options=options,
                stop_at_first=on_error is _OnError.RAISE,
            )
        else:
            running = int(recogniser.stats()["workers"])
            callers = callers_for(batch_size, running, len(sources), segments=bool(vad))
            results = results_of(recogniser, sources, options, callers, in_order=output_dir is None)
            bar = stack.enter_context(progress(len(sources), quiet=bool(output or output_dir)))
            task = bar.add_task("", total=len(sources))
            shown = _counted(results, lambda: bar.advance(task))
            failed = _write_all(shown, sink, recogniser, stop=on_error is _OnError.RAISE)
    if failed:
        raise typer.Exit(1)


def _counted(results: Iterable[Result], done: Callable[[], None]) -> Iterator[Result]:
    for result in results:
        done()
        yield result


def _write_all(results: Iterable[Result], sink: Output, recogniser: AutoModel, stop: bool) -> int:
    """Put results where they belong; returns how many inputs failed, 1 if that was to stop it."""
    failed = 0
    with contextlib.closing(sink):
        for name, key, outcome in results:
            if _written(sink, name, outcome):
                continue
            failed += 1
            if stop:
                recogniser.close(drain=False)
                break
            if isinstance(outcome, SafeASRError):
                sink.write_error(key, outcome)
    return failed


def _options(form: Format, timestamps: bool, hotwords: str | None) -> dict[str, Any]:
    """Those of the calls."""
    options: dict[str, Any] = {}
    if timestamps or form in SUBTITLES:
        options["output_timestamp"] = True
    if form in SUBTITLES:
        options["sentence_timestamp"] = True
    if hotwords:
        options["hotword"] = hotwords
    return options


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
