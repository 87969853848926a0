"""FunASR's result files (``output_dir=``)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ResultWriter"]


class ResultWriter:
    """Writes ``<output_dir>/1best_recog/text``, one ``key text`` a line; safe from many threads.

    As in FunASR, a model's first write to a directory starts its file anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: set[Path] = set()

    def write(self, output_dir: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Append the results of one call, together."""
        file = Path(output_dir) / "1best_recog" / "text"
        # A voice activity detector has segments instead of text.
        lines = "".join(f"{r['key']} {r.get('text', r.get('value'))}\n" for r in results)
        with self._lock:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a" if file in self._begun else "w", encoding="utf-8") as out:
                out.write(lines)
            self._begun.add(file)
