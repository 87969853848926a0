"""Compare safeasr with FunASR, and write the table.

make parity                              all of it, to docs/parity.md
cd tests && python -m parity --only paraformer pipeline --clips 2 --out -
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from parity.cells import THREADS, Cell, Subject, cells_of
from parity.kinds import Stream
from support.cases import CASES, FamilyCase
from support.diarized import named, write_models
from support.vad import conversation

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
HEAD = f"""# Parity with FunASR

Made by `make parity`. Every number counts cases that ran: small models with seeded random weights,
made by FunASR's own classes, on recordings and texts that the tests make. FunASR is fresh for each
row, on one thread, without dither; safeasr is asked once alone, and once more from {THREADS}
threads with all rows and columns of a table mixed. A number alone: so many cases are equal both
times, that is text, times, segments, sentences, marks and keys; embeddings within 1e-4 of their
largest number.

- `~ n`: safeasr's answer differs, and so does FunASR's own when the recording gets noise of a ten
  thousandth of its loudness: networks with random weights have genuine ties.
- `≠ n`: different.
- An error's name: FunASR fails with it. What safeasr does is in [differences.md](differences.md).
- Keywords: scores within a thousandth; of live streams the results of their ends, for FunASR gives
  no others.
- Embeddings: FunASR names none of them; safeasr's keys are left out there.
- int16: FunASR takes such samples for floats; here it is given them divided by 32,768.
"""
ROWS: list[dict[str, Any]] = [
    {},
    {"merge_vad": True},  # FunASR heeds the length of a call in the next one only: differences.md
    {"sentence_timestamp": True, "return_raw_text": True, "return_spk_res": False},
    {"return_spk_center": True},
    {"preset_spk_num": 2, "en_post_proc": True},
]


def _published(name: str, _folder: Path) -> Path:
    return Path(name)


def subjects(folder: Path, clips: int, only: list[str] | None) -> Iterator[Subject]:
    """Every family with each of its shapes, then pipelines."""
    for case in CASES:
        if not case.calls or (only and case.name not in only):
            continue
        chosen = case.clips()[-clips:]
        shapes = case.shapes
        if case.published:
            shapes = {"published": functools.partial(_published, case.published)}
        for number, (shape, make) in enumerate(shapes.items()):
            path = make(folder / f"{case.name}-{number}")
            calls = [*case.calls, *(of_files(folder) if takes_hotwords(case) else ())]
            if case.pairs:  # FunASR has to be told
                calls = [{"data_type": ("sound", "text"), **options} for options in calls]
            yield Subject(
                named_after(case, shape),
                {"model": str(path)},
                calls,
                chosen,
                case.text,
                pairs=case.pairs,
            )
    for case in CASES:
        if case.live is not None and (not only or case.name in only):
            yield from streams(case, folder, 2 * clips)
    if only and "pipeline" not in only:
        return
    made = write_models(folder / "pipeline")
    # In that of seed 1 a piece is blank, where FunASR leaves a stray space (differences.md), and in
    # that of seed 2 its speakers are a tie.
    waves = [conversation(22 + 3 * seed, seed=seed) for seed in (0, 3)[:clips]]
    for name, models, rows in (
        ("Paraformer + detector + marks + speakers", named(made), ROWS),
        # Sentences without marks differ on purpose: differences.md.
        (
            "Paraformer + detector + speakers",
            named(made, punc_model=None),
            [row for row in ROWS if "sentence_timestamp" not in row],
        ),
        (
            "SenseVoice + detector + speakers",
            named(made, model=made["sense_voice"], punc_model=None),
            ROWS[:2],
        ),
    ):
        yield Subject(name, models, rows, waves, forms=("array", "list", ".wav", ".scp"))


def named_after(case: FamilyCase, shape: str) -> str:
    """FunASR's class, and which of its shapes; of a family of several classes those are shapes."""
    if shape in case.family.model_classes:
        return f"{shape}: usual"
    return f"{case.model_class}: {shape}"


def takes_hotwords(case: FamilyCase) -> bool:
    """Whether calls of the family name words to listen for."""
    return any("hotword" in options for options in case.calls)


def of_files(folder: Path) -> list[dict[str, Any]]:
    """Options that name a file of hotwords, on the disk and on a server."""
    path = folder / "hotwords.txt"
    path.write_text("今天\nhello\n", "utf-8")
    return [{"hotword": str(path)}, {"hotword": f"{served(folder)}/hotwords.txt"}]


@functools.cache
def served(folder: Path) -> str:
    """Address of a server of its files."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


class QuietHandler(SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_: object) -> None:
        pass


def streams(case: FamilyCase, folder: Path, count: int) -> Iterator[Subject]:
    """Streams of each shape of a family, with all options of its live jobs."""
    assert case.live is not None
    jobs = case.live(count)
    rows = list({repr(options): options for _, options in jobs}.values())
    for number, (shape, make) in enumerate(case.shapes.items()):
        path = make(folder / f"{case.name}-live-{number}")
        # Of another rate FunASR resamples each piece by itself: differences.md.
        rate = {"fs": 8000} if "8 kHz" in shape else {}
        yield Subject(
            f"{named_after(case, shape)}, live",
            {"model": str(path)},
            [{**row, **rate} for row in rows],
            [Stream(pieces) for pieces, _ in jobs],
            stream=True,
        )


def shown(cell: Cell) -> str:
    """A cell's text."""
    parts = []
    if cell.equal:
        parts.append(str(cell.equal))
    if cell.undecided:
        parts.append(f"~ {cell.undecided}")
    if cell.different:
        parts.append(f"**≠ {len(cell.different)}**")
    parts += [f"{error} {count}" for error, count in cell.refused.items()]
    return ", ".join(parts)


def table(subject: Subject, cells: list[Cell]) -> str:
    """A subject's table."""
    columns = list(dict.fromkeys(cell.column for cell in cells))
    rows = list(dict.fromkeys(cell.row for cell in cells))
    by_place = {(cell.row, cell.column): cell for cell in cells}
    lines = [f"\n## {subject.name}\n", f"| options | {' | '.join(columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for row in rows:
        found = " | ".join(shown(by_place[row, column]) for column in columns)
        lines.append(f"| {row or 'none'} | {found} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="parity", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="families, and 'pipeline'")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--out", default=str(PAGE), help="- for the standard output")
    asked = parser.parse_args()
    page, equal, different = HEAD, 0, 0
    logging.disable(logging.CRITICAL)  # FunASR's
    with tempfile.TemporaryDirectory() as root:
        os.environ["SAFEASR_CACHE"] = str(Path(root, "cache"))
        for subject in subjects(Path(root), asked.clips, asked.only):
            cells = list(cells_of(subject))
            page += table(subject, cells)
            equal += sum(cell.equal for cell in cells)
            for cell in cells:
                different += len(cell.different)
                if cell.different:
                    print(subject.name, cell.row, cell.column, cell.different, file=sys.stderr)
            print(f"{subject.name}: {equal} equal so far", file=sys.stderr)
    page += (
        f"\nIn all {equal} cases are equal, alone and from {THREADS} threads; {different} differ.\n"
    )
    if asked.out == "-":
        print(page)
    else:
        Path(asked.out).write_text(page, "utf-8")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
