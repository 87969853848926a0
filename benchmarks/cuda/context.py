"""What a step is told, and where it leaves what it found."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safeasr import AutoModel, _ext
from safeasr.nets.precision import PRECISIONS

#: Arguments of AutoModel for each precision, and its name in a bundle.
PRECISION_OPTIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float16": {"fp16": True},
    "bfloat16": {"bf16": True},
}


class NotHereError(Exception):
    """A step cannot run on this machine; the message says why."""


@dataclass
class Context:
    """One step's work order and findings.

    Findings are written at once, so that what was found before a time limit is not lost.

    Attributes:
        step: its name.
        device: torch's name of the device.
        quick: small models and few calls: it shows that the step works, not how fast anything is.
        seconds: how long the step should take at most; the driver ends it somewhat later.
        out: the file of findings.
        folder: for larger texts beside it.
        rows: of the table: what, value, remark.
        checks: what was checked, whether it held, and a remark; in the rows too.
        values: everything else.
    """

    step: str
    device: str
    quick: bool
    seconds: float
    out: Path
    folder: Path
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    checks: list[tuple[str, bool, str]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a CUDA device."""
        return self.device.startswith("cuda")

    @property
    def index(self) -> int:
        """The number of the CUDA device."""
        return int(self.device.partition(":")[2] or 0)

    def left(self) -> float:
        """Seconds that the step still has."""
        return self.seconds - (time.monotonic() - self.began)

    def row(self, what: str, value: object, remark: str = "") -> None:
        """A line of the table."""
        self.rows.append((what, str(value), remark))
        self.write()

    def check(self, what: str, held: bool, remark: str = "") -> None:
        """A line of the table that says whether something holds that must hold."""
        self.checks.append((what, bool(held), remark))
        self.row(what, "holds" if held else "**DOES NOT HOLD**", remark)

    def put(self, name: str, value: Any) -> None:
        """A finding for the JSON alone."""
        self.values[name] = value
        self.write()

    def write(self) -> None:
        """Put all findings into the file, whole or not at all."""
        found = {"rows": self.rows, "checks": self.checks, **self.values}
        draft = self.out.with_suffix(".draft")
        draft.write_text(json.dumps(found, ensure_ascii=False, default=str), encoding="utf-8")
        draft.replace(self.out)

    def precisions(self) -> list[str]:
        """Precisions that the device can run in, as far as this version of safeasr has them."""
        if self.on_cuda:
            return [name for name in PRECISION_OPTIONS if name in PRECISIONS]
        return ["float32", *(["bfloat16"] if _ext.cpu_supports("bfloat16") else [])]

    def fastest(self) -> str:
        """float16 where there is such a thing, else float32."""
        return "float16" if "float16" in self.precisions() else "float32"

    def load(self, model: Path | str, precision: str = "float32", **options: Any) -> AutoModel:
        """A model on the device; a refusal to run in the precision becomes a failed check."""
        return self.load_on(self.device, model, precision, **options)

    def load_on(self, device: str, model: Path | str, precision: str, **options: Any) -> AutoModel:
        """A model on some device."""
        wanted = {**PRECISION_OPTIONS[precision], **options}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            loaded = AutoModel(str(model), device=device, disable_pbar=True, **wanted)
        if loaded.precision != precision:
            reasons = "; ".join(str(one.message) for one in said if one.category is UserWarning)
            what = f"{Path(model).name} in {precision}"
            self.check(what, False, f"runs in {loaded.precision}: {reasons}")
        return loaded
