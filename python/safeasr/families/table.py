"""The table of families: which module knows which of FunASR's model classes.

Nothing of a family is imported before a model of it is exported or loaded.
"""

from __future__ import annotations

import difflib
import importlib

from safeasr.bundles.bundle import Bundle
from safeasr.errors import CorruptBundleError, UnsupportedModelError
from safeasr.families.base import Family

__all__ = ["family_of_bundle", "family_of_class", "model_classes", "register_family"]

#: FunASR's model class -> "module:object" of its family, a line for each.
_TABLE: dict[str, str] = {
    "BiCifParaformer": "safeasr.families.bicif_paraformer.family:FAMILY",
    "Branchformer": "safeasr.families.ctc_attention.family:FAMILY",
    "CAMPPlus": "safeasr.families.campplus.family:FAMILY",
    "CTC": "safeasr.families.ctc.family:FAMILY",
    "CTTransformer": "safeasr.families.ct_transformer.family:FAMILY",
    "CTTransformerStreaming": "safeasr.families.ct_transformer_streaming.family:FAMILY",
    "Conformer": "safeasr.families.ctc_attention.family:FAMILY",
    "ContextualParaformer": "safeasr.families.contextual_paraformer.family:FAMILY",
    "EBranchformer": "safeasr.families.ctc_attention.family:FAMILY",
    "EParaformer": "safeasr.families.e_paraformer.family:FAMILY",
    "ERes2NetV2": "safeasr.families.eres2netv2.family:FAMILY",
    "Emotion2vec": "safeasr.families.emotion2vec.family:FAMILY",
    "FsmnKWS": "safeasr.families.fsmn_kws.family:FAMILY",
    "FsmnKWSMT": "safeasr.families.fsmn_kws_mt.family:FAMILY",
    "FsmnVADStreaming": "safeasr.families.fsmn_vad.family:FAMILY",
    "MonotonicAligner": "safeasr.families.monotonic_aligner.family:FAMILY",
    "Paraformer": "safeasr.families.paraformer.family:FAMILY",
    "ParaformerStreaming": "safeasr.families.paraformer_streaming.family:FAMILY",
    "SANM": "safeasr.families.ctc_attention.family:FAMILY",
    "SanmKWS": "safeasr.families.sanm_kws.family:FAMILY",
    "SanmKWSStreaming": "safeasr.families.sanm_kws_streaming.family:FAMILY",
    "SeacoParaformer": "safeasr.families.seaco_paraformer.family:FAMILY",
    "SenseVoiceSmall": "safeasr.families.sense_voice.family:FAMILY",
    "SileroVad": "safeasr.families.silero_vad.family:FAMILY",
    "Transformer": "safeasr.families.ctc_attention.family:FAMILY",
    "iic/speech_eres2netv2_sv_zh-cn_16k-common": "safeasr.families.eres2netv2.family:FAMILY",
}


def model_classes() -> tuple[str, ...]:
    """The model classes that can be exported and loaded, in alphabetical order."""
    return tuple(sorted(_TABLE))


def register_family(model_class: str, target: str) -> None:
    """Add a family that is not part of this package.

    Call it before a model of that class is made, in every process. To register the same target
    again changes nothing.

    Args:
        model_class: FunASR's name of the class, as in the key ``model`` of config.yaml.
        target: "module:object", where a :class:`~safeasr.families.base.Family` is found. It is
            imported when the first model of the class is exported or loaded.

    Raises:
        ValueError: if the target is not of that form, or the class has another family.
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise ValueError(f"the target of a family must be 'module:object', got {target!r}")
    known = _TABLE.setdefault(model_class, target)
    if known != target:
        raise ValueError(f"the model class {model_class!r} has a family already: {known}")


def _load(model_class: str) -> Family:
    target = _TABLE[model_class]
    module, _, name = target.partition(":")
    try:
        family = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UnsupportedModelError(
            f"the family of the model class {model_class!r} cannot be imported from {target}: "
            f"{error}"
        ) from error
    if not isinstance(family, Family) or model_class not in family.model_classes:
        raise UnsupportedModelError(
            f"{target} is not a Family that names {model_class!r} among its model classes"
        )
    return family


def family_of_class(model_class: str) -> Family:
    """The family that exports a FunASR model class.

    Raises:
        UnsupportedModelError: if there is none yet; names those that are nearest.
    """
    if model_class in _TABLE:
        return _load(model_class)
    nearest = difflib.get_close_matches(model_class, _TABLE, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""
    raise UnsupportedModelError(
        f"the model class {model_class!r} is not supported yet ({hint}"
        f"supported: {', '.join(model_classes())})"
    )


def family_of_bundle(bundle: Bundle) -> Family:
    """The family that loads a bundle.

    Raises:
        CorruptBundleError: if this safeasr knows no family of that name for the bundle's class.
        UnsupportedModelError: if the family cannot be imported.
    """
    if bundle.model_class in _TABLE:
        family = _load(bundle.model_class)
        if family.name == bundle.family:
            return family
    raise CorruptBundleError(
        f"the bundle {bundle.path} is of a family {bundle.family!r} for the model class "
        f"{bundle.model_class!r} that this safeasr does not know"
    )
