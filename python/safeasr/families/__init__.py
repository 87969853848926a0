"""FunASR's model families: how each is exported, run and decoded.

A family is a package; in its module ``family`` is an object that implements
:class:`safeasr.families.base.Family`. To add one, write the package and name it here.
"""

from __future__ import annotations

from safeasr.errors import CorruptBundleError, UnsupportedModelError
from safeasr.families.base import Family
from safeasr.families.fsmn_vad.family import FsmnVadFamily
from safeasr.families.paraformer.family import ParaformerFamily
from safeasr.families.paraformer_streaming.family import ParaformerStreamingFamily
from safeasr.families.sense_voice.family import SenseVoiceFamily

__all__ = ["FAMILIES", "FAMILY_OPTIONS", "family_of_bundle", "family_of_class"]

FAMILIES: tuple[Family, ...] = (
    ParaformerFamily(),
    ParaformerStreamingFamily(),
    FsmnVadFamily(),
    SenseVoiceFamily(),
)
#: Options that some family understands, of ``generate`` or of the constructor.
FAMILY_OPTIONS: frozenset[str] = frozenset().union(
    *(family.options | family.constructor_options for family in FAMILIES)
)


def family_of_class(model_class: str) -> Family:
    """The family that exports a FunASR model class.

    Raises:
        UnsupportedModelError: if there is none yet.
    """
    for family in FAMILIES:
        if model_class in family.model_classes:
            return family
    supported = ", ".join(name for family in FAMILIES for name in family.model_classes)
    raise UnsupportedModelError(
        f"the model class {model_class!r} is not supported yet (supported: {supported})"
    )


def family_of_bundle(name: str) -> Family:
    """The family that loads a bundle.

    Raises:
        CorruptBundleError: if this version knows no family of that name.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    raise CorruptBundleError(f"the bundle is of a family {name!r} that this safeasr does not know")
