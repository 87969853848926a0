"""The command ``safeasr``.

typer and rich are imported below this package and nowhere else, so that ``import safeasr`` stays
free of them.
"""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Args:
        arguments: instead of ``sys.argv[1:]``.

    Raises:
        SystemExit: always. 0: done; 1: a SafeASRError, or an input that could not be recognised;
            2: wrong usage; 130: Ctrl-C.
    """
    from safeasr.cli.app import run

    raise SystemExit(run(arguments))
