"""ERes2NetV2, by FunASR's class and by the hub's name, which FunASR takes for one."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.campplus.recognizer import OPTIONS, SpeakerRecognizer
from safeasr.families.eres2netv2.export import export

__all__ = ["FAMILY"]

FAMILY = Family(
    name="eres2netv2",
    model_classes=("ERes2NetV2", "iic/speech_eres2netv2_sv_zh-cn_16k-common"),
    export=export,
    load=SpeakerRecognizer,
    options=OPTIONS,
)
