"""Which models run natively, which run guarded, and what FunASR's code is given of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from safeasr.bundles.bundle import is_bundle
from safeasr.bundles.model_dir import read_model_dir
from safeasr.errors import ExportError, SafeASRError, UnsupportedModelError
from safeasr.families import family_of_class
from safeasr.families.base import Recognizer, StepwiseRecognizer
from safeasr.guarded.backends import Backend, InThread
from safeasr.guarded.own_model import MISSING, registered
from safeasr.guarded.pool import Pool
from safeasr.guarded.process import InProcess
from safeasr.guarded.recognizer import GuardedRecognizer
from safeasr.guarded.settings import ARGUMENTS, GuardSettings
from safeasr.loading.find import EMBEDDED, SILERO, find_model
from safeasr.loading.hub import HUBS, OPENAI_CLASS, aliases, have_funasr
from safeasr.loading.load import Loaded, load_model
from safeasr.options.cores import usable_cores
from safeasr.options.model import ModelOptions
from safeasr.options.names import COMMON, HOTWORDS
from safeasr.printable import quoted
from safeasr.warn import warn

__all__ = ["Loader", "is_made_of_a_class"]

_log = logging.getLogger("safeasr")
#: Names that FunASR makes a class of, with no directory of a model.
_WITHOUT_DIRECTORY: Final = frozenset(
    "silero-vad silero_vad MOSS-Transcribe-Diarize OpenMOSS-Team/MOSS-Transcribe-Diarize".split()
)
#: Names on hubs under which FunASR registers classes: their directories have no config.yaml.
_CLASSES_OF_HUBS: Final = frozenset(
    "Qwen/Qwen3-ASR-0.6B Qwen/Qwen3-ASR-1.7B ZhipuAI/GLM-ASR-Nano-2512 "
    "zai-org/GLM-ASR-Nano-2512".split()
)
#: What is done here of FunASR's arguments, and models that stand beside the main one.
_KEPT_BACK: Final = (
    (frozenset(COMMON) - {"ncpu", "device"})
    | frozenset(HOTWORDS)
    | frozenset("vad_model_revision punc_model_revision spk_model_revision model_revision".split())
)
_NOTHING: Final[Mapping[str, Any]] = {}


def _in_short(error: SafeASRError) -> str:
    """The reason without the list of what is supported, for the log."""
    return str(error).partition(" (")[0]


def is_made_of_a_class(name: str, hub: str) -> bool:
    """Whether a name stands for a class that FunASR makes with no directory of a model.

    Args:
        name: as the argument ``model`` of ``AutoModel``.
        hub: likewise.
    """
    if name in EMBEDDED or Path(name).expanduser().is_dir():
        return False
    if hub == "openai" or name in _WITHOUT_DIRECTORY:
        return True
    return _aliases_of(hub).get(name, name) in _WITHOUT_DIRECTORY | _CLASSES_OF_HUBS


def _aliases_of(hub: str) -> Mapping[str, str]:
    """FunASR's short names of a hub's models; none where FunASR is missing."""
    try:
        return aliases(HUBS.get(hub, "ms"))
    except ExportError:
        return {}


class Loader:
    """Loads an AutoModel's models. The one place that decides which of them run guarded.

    Attributes:
        weights: sizes of what was loaded in bytes, by role.
    """

    def __init__(
        self, given: Mapping[str, Any], options: ModelOptions, guard: GuardSettings
    ) -> None:
        """Load nothing yet.

        Args:
            given: FunASR's arguments of ``AutoModel``, checked.
            options: how models shall run.
            guard: how a guarded one shall run.
        """
        self._given = given
        self._options = options
        self._guard = guard
        self.weights: dict[str, int] = {}
        self._class = ""
        self._source: dict[str, Any] = {
            "hub": given.get("hub") or "ms",
            "check_latest": bool(given.get("check_latest")),
            "trust_remote_code": bool(given.get("trust_remote_code")),
        }

    def beside(
        self, overrides: Mapping[str, Mapping[str, Any]]
    ) -> Callable[[str, str], Recognizer | StepwiseRecognizer]:
        """What loads the models of roles beside the main one; they run natively or not at all.

        Args:
            overrides: keys of their config.yaml, by role.
        """

        def load(role: str, name: str) -> Recognizer | StepwiseRecognizer:
            try:
                found = load_model(
                    name,
                    self._options,
                    revision=self._given.get(f"{role}_revision"),
                    overrides=overrides.get(role, _NOTHING),
                    **self._source,
                )
            except UnsupportedModelError as error:
                raise UnsupportedModelError(
                    f"{role}={quoted(name)}: {error}. Of an AutoModel's models, only the model "
                    "itself can be run by FunASR's own code"
                ) from error
            self.weights[role] = found.weights_bytes
            return found.recognizer

        return load

    def main(self, name: str) -> Loaded:
        """The model itself.

        Raises:
            UnsupportedModelError: if no family runs it, and it must not or cannot run guarded.
            SafeASRError: as of :func:`safeasr.loading.load.load_model`.
        """
        wanted = self._guard.wanted
        if wanted:
            found = self._guarded(name, self._as_funasr_finds_it(name), "guarded=True")
        else:
            why = self._why_not_native(name)
            if why is None:
                for one in self._guard.given:
                    warn(f"{one} has no effect: safeasr runs this model itself (guarded=True)")
                found = self._native(name)
            elif wanted is False:
                raise why
            elif not have_funasr():
                raise UnsupportedModelError(f"{why}. {MISSING}") from why
            else:
                found = self._guarded_instead(name, why)
        self.weights["model"] = found.weights_bytes
        return found

    def _native(self, name: str) -> Loaded:
        revision = self._given.get("model_revision")
        overrides = self._options.overrides
        return load_model(
            name, self._options, revision=revision, overrides=overrides, **self._source
        )

    def _find(self, name: str) -> Path:
        return find_model(
            name,
            hub=self._source["hub"],
            revision=self._given.get("model_revision"),
            check_latest=self._source["check_latest"],
        )

    def _is_made_of_a_class(self, name: str) -> bool:
        """Whether FunASR makes it with no directory that has a config.yaml."""
        if name in EMBEDDED or Path(name).expanduser().is_dir():
            return False
        if is_made_of_a_class(name, self._source["hub"]):
            return True
        # FunASR asks no hub then. Of what a hub has, these are keys to replace.
        on_hub = "/" in name or name in _aliases_of(self._source["hub"])
        return "model_conf" in self._given and not on_hub

    def _why_not_native(self, name: str) -> SafeASRError | None:
        """Why no family runs a model; None if one does, or will say itself what is wrong."""
        if name in SILERO and "model_conf" not in self._given:
            return None  # a package has its weights
        try:
            if self._is_made_of_a_class(name):
                self._class = OPENAI_CLASS if self._source["hub"] == "openai" else name
                family_of_class(self._class)
                return UnsupportedModelError(f"{quoted(name)} names no directory of a model")
            directory = self._find(name)
            if not is_bundle(directory):
                self._class = read_model_dir(directory, self._options.overrides).model_class
                family_of_class(self._class)
        except UnsupportedModelError as error:
            return error
        except SafeASRError:
            pass  # loading it says so, or something better
        return None

    def _as_funasr_finds_it(self, name: str) -> str:
        """What FunASR is given as ``model``.

        Raises:
            UnsupportedModelError: for a bundle, which FunASR does not know.
        """
        if self._is_made_of_a_class(name):
            return name
        directory = self._find(name)
        if is_bundle(directory):
            raise UnsupportedModelError(
                f"{quoted(name)} is a bundle of safeasr, which FunASR's own code cannot run: "
                "guarded=True needs the FunASR model that it was made from"
            )
        return str(directory)

    def _guarded_instead(self, name: str, why: SafeASRError) -> Loaded:
        """A model that no family runs; what FunASR does not know either is refused as before."""
        try:
            return self._guarded(name, self._as_funasr_finds_it(name), _in_short(why))
        except ExportError as error:
            if "is not registered" not in str(error) and registered(self._class) is not False:
                raise
            hint = "; classes of remote_code are, with trust_remote_code=True"
            raise UnsupportedModelError(
                f"{why}, and FunASR has no such class in its registry{hint}"
            ) from error

    def _guarded(self, name: str, model: str, why: str) -> Loaded:
        guard = self._guard
        self._name_idle_devices()
        kind: Callable[[str, Mapping[str, Any]], Backend] = (
            InProcess if guard.in_processes else InThread
        )
        copies: list[Backend] = [
            kind(quoted(name), self._arguments(model, number)) for number in range(guard.workers)
        ]
        pool = Pool(
            copies,
            queue_size=self._options.queue_size,
            max_memory=guard.max_memory,
            max_calls=guard.max_calls,
        )
        described = pool.ready()
        where = "a process" if guard.in_processes else "a thread"
        where = f"{guard.workers} processes" if guard.workers > 1 else where
        _log.warning(
            "%s runs guarded, by FunASR's own code in %s, one call at a time: %s",
            quoted(name), where, why,
        )  # fmt: skip
        directory = Path(model) if Path(model).is_dir() else Path(name)
        precision = "float16" if self._given.get("fp16") else "float32"
        precision = "bfloat16" if self._given.get("bf16") else precision
        weights = described.weights_bytes * guard.workers
        return Loaded(directory, GuardedRecognizer(pool, described), precision, weights)

    @property
    def _devices(self) -> list[str]:
        return [one.strip() for one in self._options.device.split(",")]

    def _name_idle_devices(self) -> None:
        """Say so if there are more devices than copies of the model."""
        devices, copies = self._devices, self._guard.workers
        if copies < len(devices):
            warn(
                f"device={self._options.device!r}: nothing will run on "
                f"{', '.join(devices[copies:])}. A guarded model has a copy on each device with "
                f"isolation='process', workers={len(devices)}"
            )

    def _arguments(self, model: str, number: int) -> dict[str, Any]:
        """Of FunASR's AutoModel, for one of the copies."""
        given = {
            name: value
            for name, value in self._given.items()
            if value is not None and name not in _KEPT_BACK and name not in ARGUMENTS
        }
        devices = self._devices
        quiet = {"disable_update": True, "disable_log": True, "log_level": "ERROR"}
        own = {
            "model": model,
            "device": devices[number % len(devices)],
            "disable_pbar": True,
            "ncpu": given.get("ncpu") or max(1, usable_cores() // self._guard.workers),
        }
        return {**quiet, **given, **own}
