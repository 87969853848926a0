"""Export: from a model's name or directory to a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from safeasr._version import __version__
from safeasr.bundles.bundle import MANIFEST, Bundle, is_bundle, read_bundle, write_manifest
from safeasr.bundles.cache import cache_dir, cached_bundle
from safeasr.bundles.model_dir import ModelDir, read_model_dir
from safeasr.bundles.trust import is_trusted, record_trust
from safeasr.errors import ExportError
from safeasr.families import family_of_class
from safeasr.nets.precision import PRECISIONS
from safeasr.warn import warn

__all__ = ["export_bundle", "open_bundle"]


def _export(model: ModelDir, out: Path, trust_remote_code: bool, precision: str) -> Bundle:
    family = family_of_class(model.model_class)
    bundle = family.export(model, out, trust_remote_code=trust_remote_code, precision=precision)
    versions = {"safeasr": __version__, "torch": str(torch.__version__)}
    return write_manifest(
        Bundle(**{**bundle.__dict__, "versions": versions, "source": {"model": model.model_class}})
    )


def open_bundle(
    path: Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    trust_remote_code: bool = False,
    precision: str = "float32",
    anew: bool = False,
) -> Bundle:
    """The bundle of a directory: itself, or exported from a FunASR model into the cache.

    Args:
        path: a bundle or a FunASR model directory.
        overrides: keys of config.yaml to replace; a finished bundle takes none.
        trust_remote_code: allow the checkpoint to hold more than tensors.
        precision: what linear layers become (:data:`safeasr.nets.precision.PRECISIONS`); families
            that have float32 only stay with it, and a finished bundle with its own.
        anew: export it although the cache has it.

    Raises:
        ExportError: if the directory is no model, not complete, damaged, or does not fit together;
            if the cache cannot be written.
        UnsupportedModelError: if its class is not supported.
        CorruptBundleError: if it is a bundle that is damaged.
        OutOfMemoryError: if there is no room to export it.
    """
    if is_bundle(path):
        bundle = read_bundle(path)
        bundle.verify()
        return bundle
    model = read_model_dir(path, overrides)
    family = family_of_class(model.model_class)  # say so before anything is hashed
    model.check_complete()
    kind = precision if precision in family.precisions else "float32"
    return cached_bundle(
        model,
        lambda out: _export(model, out, trust_remote_code, kind),
        precision=kind,
        files=family.files,
        anew=anew,
    )


def export_bundle(
    path: Path,
    out: Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    trust_remote_code: bool = False,
    precision: str | None = None,
) -> Bundle:
    """Write the bundle of a model to a directory of one's own.

    Args:
        path: as of open_bundle.
        out: a new or empty directory.
        overrides: as of open_bundle.
        trust_remote_code: as of open_bundle.
        precision: of the linear layers; None: float32, or what a finished bundle has. This machine
            need not be able to compute in it.

    Raises:
        ExportError: if the directory exists and is not empty or cannot be written, or the model
            cannot have the precision; nothing is left behind.
        ValueError: if there is no such precision.
    """
    if precision not in (None, *PRECISIONS):
        raise ValueError(f"expected a precision of {', '.join(PRECISIONS)}, got {precision!r}")
    try:
        if out.exists() and any(out.iterdir()):
            raise ExportError(f"{out} is not empty")
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error}") from error
    bundle = open_bundle(
        path, overrides, trust_remote_code=trust_remote_code, precision=precision or "float32"
    )
    if precision not in (None, bundle.precision):
        raise ExportError(
            f"{path} is a finished bundle in {bundle.precision}: export the model it was made from"
            if is_bundle(path)
            else f"models of the class {bundle.model_class} run in {bundle.precision} only"
        )
    _copy(bundle, out)
    if is_trusted(bundle, cache_dir()):
        try:
            record_trust(bundle, cache_dir())
        except OSError as error:
            warn(
                f"that {out} was exported here could not be recorded: {error}. Loading it needs "
                "trust_remote_code=True"
            )
    return read_bundle(out)


def _copy(bundle: Bundle, out: Path) -> None:
    """Copy a bundle; if that fails, nothing is left behind."""
    new = next((one for one in reversed((out, *out.parents)) if not one.exists()), None)
    # bundle.json last: it is the promise that all the rest is there.
    names = [*bundle.programs.values(), *bundle.assets.values(), MANIFEST]
    try:
        for name in names:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, out / name)
    except BaseException as error:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)
        else:  # it was there, and empty
            for left in out.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        if isinstance(error, OSError):
            raise ExportError(f"{out} cannot be written: {error}") from error
        raise
