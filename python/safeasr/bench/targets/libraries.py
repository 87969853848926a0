"""Models of the two libraries, made in the same way."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
from typing import Any

from safeasr.bench.targets.base import Options, TargetError

__all__ = ["Model", "load"]

#: What a model is called with, whichever library made it.
Model = Any


def load(library: str, options: Options) -> Model:
    """A model of "safeasr" or "funasr".

    Raises:
        TargetError: the library is not installed.
    """
    made_with = {"disable_pbar": True, **options.model_options}
    if library == "safeasr":
        from safeasr.auto_model import AutoModel

        return AutoModel(model=options.model or "demo", **made_with)
    logging.disable(logging.WARNING)
    try:
        funasr = importlib.import_module("funasr")
    except ImportError as error:
        raise TargetError(f"FunASR is not here ({error}): pip install funasr") from error
    from safeasr.loading.find import find_model

    # The demo models are files of this package, which FunASR does not know by name.
    for name in ("model", "vad_model", "punc_model", "spk_model"):
        known = options.model if name == "model" else made_with.get(name)
        if known is not None and str(known).startswith("demo"):
            made_with[name] = str(find_model(str(known)))
        elif known is not None:
            made_with[name] = known
    made_with = {"disable_update": True, "log_level": "ERROR", "device": "cpu", **made_with}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return funasr.AutoModel(**made_with)
