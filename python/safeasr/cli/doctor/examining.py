"""What safeasr makes of one model: found out step by step, so that each failure has its place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safeasr._extension import _ext
from safeasr.auto_model import AutoModel
from safeasr.bundles.bundle import is_bundle, read_bundle
from safeasr.bundles.model_dir import read_model_dir
from safeasr.cli.doctor.classes import GUARDED, NATIVE, NOT, how_class_runs, registered_classes
from safeasr.cli.doctor.measuring import Speed, measure
from safeasr.cli.models import quiet_stdout
from safeasr.errors import InferenceError, SafeASRError, UnsupportedModelError
from safeasr.families import family_of_class
from safeasr.guarded.deciding import is_made_of_a_class
from safeasr.guarded.own_model import MISSING
from safeasr.loading.export import open_bundle
from safeasr.loading.find import SILERO, find_here
from safeasr.loading.hub import CLASSES, HUBS, aliases, have_funasr
from safeasr.printable import quoted

__all__ = ["Findings", "examine"]


@dataclass
class Findings:
    """What was found out about a model.

    Attributes:
        model: its name, as it was given.
        directory: where it is; None: not on this machine.
        model_class: FunASR's; None: not known.
        runs: "native", "guarded" or "not"; None: that is not known before it is downloaded.
        problems: what keeps it from running, or is wrong with it.
        notes: what else there is to say.
        precisions: that it has, and whether this processor has instructions for each.
        task: what it is for.
        workers: threads that would compute.
        speed: of a short run; None: there was none.
    """

    model: str
    directory: str | None = None
    model_class: str | None = None
    runs: str | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    precisions: dict[str, bool] = field(default_factory=dict)
    task: str | None = None
    workers: int | None = None
    speed: Speed | None = None

    @property
    def is_well(self) -> bool:
        """Whether it runs, as far as anybody can tell now."""
        return self.runs in (NATIVE, GUARDED) and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = dataclasses.asdict(self)
        if self.speed is not None:
            found["speed"]["in_a_second"] = self.speed.in_a_second
        return {**found, "well": self.is_well}

    def fail(self, error: SafeASRError) -> None:
        """Note what keeps it from running."""
        self.runs = NOT
        self.problems.append(str(error))


def examine(name: str, *, hub: str, run: bool, **options: Any) -> Findings:
    """Find out how a model would run; nothing is downloaded.

    Args:
        name: as the argument ``model`` of ``AutoModel``.
        hub: likewise.
        run: load it, and measure how fast it is.
        options: other arguments of ``AutoModel`` to load it with.
    """
    found = Findings(name)
    try:
        if is_made_of_a_class(name, hub) and name not in SILERO:
            _require_funasr()
            found.runs = GUARDED
            found.notes.append("FunASR gets it by itself when it is loaded, so it was not tried")
            return found
        with quiet_stdout():
            directory = find_here(name, hub=hub)
        if directory is None:
            _say_what_would_be(found, hub)
            return found
        found.directory = str(directory)
        _look_at(found, directory, bool(options.get("trust_remote_code")))
        if run and found.is_well:
            _try(found, directory, options)
    except SafeASRError as error:
        found.fail(error)
    return found


def _say_what_would_be(found: Findings, hub: str) -> None:
    """Of a model that is on a hub only."""
    hub = HUBS[hub]
    full = aliases(hub).get(found.model, found.model)
    on_hub = {"ms": "ModelScope", "hf": "Hugging Face"}[hub]
    found.notes.append(f"it is not on this machine: AutoModel downloads {full!r} from {on_hub}")
    found.model_class = CLASSES.get(found.model)
    if found.model_class is None:
        found.notes.append("its class is known once it is here: `safeasr info` downloads it, too")
        return
    found.runs = how_class_runs(found.model_class)
    found.precisions = _precisions(found.model_class)
    if hub != "ms":
        found.notes.append("the class is that of the model on ModelScope")


def _look_at(found: Findings, directory: Path, trusted: bool) -> None:
    """Of a directory; raises for a native model what loading it would."""
    if is_bundle(directory):
        bundle = read_bundle(directory)
        found.model_class = bundle.model_class
        found.notes.append(f"it is a bundle, in {bundle.precision}")
        bundle.verify()
        found.runs, found.precisions = NATIVE, _here([bundle.precision])
        return
    found.model_class = read_model_dir(directory).model_class
    found.runs = how_class_runs(found.model_class)
    found.precisions = _precisions(found.model_class)
    if found.runs == GUARDED:
        _require_funasr()
        if not trusted:  # else the directory's own code may bring the class
            _require_class(found.model_class)
        return
    try:
        # Reads every file, and refuses what the network cannot do.
        with quiet_stdout():
            open_bundle(directory, trust_remote_code=trusted)
    except UnsupportedModelError:
        found.notes.append("AutoModel(..., guarded=True) leaves it to FunASR's own code")
        raise


def _require_funasr() -> None:
    if not have_funasr():
        raise UnsupportedModelError(MISSING)


def _require_class(model_class: str) -> None:
    """Refuse what FunASR's own code does not run either."""
    if registered_classes().how.get(model_class, NOT) == NOT:
        raise UnsupportedModelError(
            f"neither safeasr nor FunASR can run a model of the class {quoted(model_class)}: "
            "FunASR does not know it, or lacks a package that it needs"
        )


def _precisions(model_class: str) -> dict[str, bool]:
    try:
        return _here(family_of_class(model_class).precisions)
    except UnsupportedModelError:
        return {}


def _here(precisions: Any) -> dict[str, bool]:
    return {one: bool(_ext.cpu_supports(one)) for one in precisions}


def _try(found: Findings, directory: Path, options: dict[str, Any]) -> None:
    """Load it, and see how fast it is."""
    given = {name: value for name, value in options.items() if value is not None}
    with quiet_stdout(), AutoModel(str(directory), disable_pbar=True, **given) as model:
        stats = model.stats()
        if "guarded" in stats:
            found.runs = GUARDED
        found.task, found.workers = model.model.task, int(stats["workers"])
        try:
            found.speed = measure(model)
        except InferenceError:
            raise
        except SafeASRError as error:  # it needs an option, or other input
            found.notes.append(f"it was not measured: {error}")
