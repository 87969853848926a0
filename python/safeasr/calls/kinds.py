"""What a model is given, checked against what it takes."""

from __future__ import annotations

from typing import Any, Final

from safeasr.errors import AudioError, InputError
from safeasr.families.base import TASKS, Accepts, LoadedModel
from safeasr.inputs.pairs import PAIR_KINDS

__all__ = ["kind_of_input"]

#: What each ``data_type`` brings.
_BROUGHT: Final[dict[Any, Accepts]] = {
    "sound": "samples",
    "pcm": "samples",
    "fbank": "features",
    "text": "text",
    **dict.fromkeys(PAIR_KINDS, "pairs"),
}
#: In messages.
_WORDS: Final[dict[Accepts, str]] = {"pairs": "pairs of a recording and its text"}


def kind_of_input(model: LoadedModel, data_type: Any) -> Any:
    """The ``data_type`` of a call to a model; where none is given, the model's own.

    Args:
        model: that is called.
        data_type: of the call; what is no such type is handed on.

    Raises:
        InputError: if the model does not take it; an AudioError of models that take audio.
    """
    audio = "samples" in model.accepts
    if data_type is None:
        return "sound" if audio else PAIR_KINDS[0] if "pairs" in model.accepts else "text"
    if isinstance(data_type, list):
        data_type = tuple(data_type)
    brought = _BROUGHT.get(data_type)
    if brought is None or brought in model.accepts:
        return data_type
    wrong = AudioError if audio else InputError
    wanted = " or ".join(_WORDS.get(one, one) for one in model.accepts)
    raise wrong(
        f"expected {wanted}, got data_type={data_type!r}: this is a model for {TASKS[model.task]}"
    )
