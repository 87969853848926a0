"""FunASR's class ``Emotion2vec`` (``emotion2vec_plus_large`` and its smaller ones)."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.emotion2vec.export import export
from safeasr.families.emotion2vec.recognizer import OPTIONS, EmotionRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="emotion2vec",
    model_classes=("Emotion2vec",),
    export=export,
    load=EmotionRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
