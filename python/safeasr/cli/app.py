"""The typer application: its commands, and how errors leave it."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from safeasr._version import __version__
from safeasr.cli.say import complain
from safeasr.errors import SafeASRError

__all__ = ["app", "run"]

_INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended

#: Each command's module and name there. Imported when asked for: most of them load torch, which
#: takes seconds that the load tester of a server has no use for.
_COMMANDS = {
    "transcribe": ("transcribe", "transcribe"),
    "export": ("bundles", "export"),
    "info": ("bundles", "info"),
    "verify": ("bundles", "verify"),
    "trust": ("bundles", "trust"),
    "doctor": ("doctor.command", "doctor"),
    "serve": ("serve", "serve"),
    "bench": ("bench.commands", "app"),
}


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"safeasr.cli.{module}"), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
            alone.command(cmd_name)(found)
            found = alone
        return typer.main.get_command(found)


app = typer.Typer(
    name="safeasr",
    help="Speech recognition with FunASR's models, safe and fast from any number of threads.",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
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
