"""The typer application: its commands, and how errors leave it."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Annotated, Any

import typer

from safeasr._version import __version__
from safeasr.cli import bench, bundles, transcribe
from safeasr.cli.say import complain
from safeasr.errors import SafeASRError

__all__ = ["app", "run"]

_INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended

app = typer.Typer(
    name="safeasr",
    help="Speech recognition with FunASR's models, safe and fast from any number of threads.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(transcribe.transcribe)
app.command()(bundles.export)
app.command()(bundles.info)
app.command()(bundles.verify)
app.command()(bundles.trust)
app.command()(bench.bench)

_debug = False


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"safeasr {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    global _debug
    _debug = debug


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    complain(f"warning: {message}")


def run(arguments: list[str] | None = None) -> int:
    """Run the application; returns the exit code instead of raising."""
    global _debug
    _debug = False
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            app(args=arguments, prog_name="safeasr")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`| head`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (SafeASRError, OSError) as error:
        if _debug:
            traceback.print_exc()
        else:
            complain(f"error: {error}")
        return 1
    return 0
