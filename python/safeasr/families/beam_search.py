"""Beam search of FunASR's Paraformers, which is not here.

FunASR searches only if a model has a CTC of its own, or a call names a language model. For all
others, and so for every model that was published, the options of the search change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from safeasr.bundles.settings import Settings
from safeasr.errors import UnsupportedModelError
from safeasr.options.declared import PATH, Option, Options, number
from safeasr.warn import warn

__all__ = ["BEAM_SEARCH", "BeamSearch", "ctc_weight"]

BEAM_SEARCH = Options(
    Option(
        "decoding_ctc_weight",
        number(),
        0.0,
        help="Above 0, if the model was trained with CTC: beam search, which is refused.",
    ),
    Option(
        "lm_weight", number(), 0.0, help="Above 0, with lm_file: beam search, which is refused."
    ),
    Option("lm_file", PATH, help="A language model. Nothing depends on it but with lm_weight."),
)
#: A weight of no more is none to FunASR.
_NO_WEIGHT: Final = 1e-5
#: FunASR's own, for models that do not say how much CTC counted in their training.
_USUAL_CTC_WEIGHT: Final = 0.5


def ctc_weight(settings: Settings) -> float:
    """How much CTC counted in a model's training; 0: it has none.

    Args:
        settings: ``model_conf``, or those of a bundle. Older bundles do not say: they might have
            it.
    """
    return settings.number("ctc_weight", _USUAL_CTC_WEIGHT)


class BeamSearch:
    """Tells calls for which FunASR would search with a beam from those for which it would not."""

    def __init__(self, settings: Settings) -> None:
        """Ask a bundle's settings."""
        self._has_ctc = ctc_weight(settings) > 0

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse a search; name what has no effect, in a warning.

        Raises:
            UnsupportedModelError: naming the option, and why FunASR would search.
        """
        scorers = {
            "decoding_ctc_weight": ("CTC", self._has_ctc, "for this model, which has no CTC"),
            "lm_weight": ("lm_file", options.get("lm_file") is not None, "without lm_file"),
        }
        for name, (scorer, is_there, otherwise) in scorers.items():
            if float(options.get(name) or 0.0) <= _NO_WEIGHT:
                continue
            if not is_there:
                warn(f"option {name!r} has no effect {otherwise}")
                continue
            raise UnsupportedModelError(
                f"{name}={options[name]!r} with {scorer} asks for beam search, which is not "
                "supported for Paraformers: AutoModel(..., guarded=True) runs FunASR's own"
            )
